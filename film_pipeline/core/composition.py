"""The locked composition: a shot composed once as an OpenUSD stage, with no engine running."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, Vt

from film_pipeline.core.blocking import Blocking
from film_pipeline.core.camera import CameraFrame, frame_subjects, moved, placed_by_hand, project
from film_pipeline.core.exposure_marks import level_at
from film_pipeline.core.files import line_of, load_yaml
from film_pipeline.core.meshes import Array
from film_pipeline.core.poses import Pose
from film_pipeline.core.problems import FilmProblem, under
from film_pipeline.core.production import Production
from film_pipeline.core.puppet import Character
from film_pipeline.core.puppet_build import author_performance, author_puppet
from film_pipeline.core.recipe import sha256_of_json
from film_pipeline.core.refusals import field_path, near
from film_pipeline.core.set_build import author_ambient, author_set, changed
from film_pipeline.core.sets import SET_FILE, SetDescription, SetPiece
from film_pipeline.core.shot import Light, SceneFile, Shot
from film_pipeline.core.slate import ShotName
from film_pipeline.core.timing import ExposureSheet
from film_pipeline.core.usd_parts import TextureSink, matrix


@dataclass(frozen=True)
class Composition:
    """A composed shot. Its digests say what stands before the lens at each frame; its lock covers them all."""

    name: ShotName
    stage: Usd.Stage
    sheet: ExposureSheet
    cast: Mapping[str, Character]
    poses: Mapping[str, Mapping[int, Pose]]
    roots: Mapping[str, Mapping[int, Array]]
    cameras: Mapping[int, CameraFrame]
    size: tuple[int, int]
    said: list[str] = field(default_factory=list)

    def digest(self, frame: int) -> str:
        """SHA-256 of all that the stage says at a frame: every prim and value, pictures by their content."""
        told = hashlib.sha256(self._still)
        for path, attribute in self._animated:
            _tell(told, path, _bytes_of(attribute.Get(Usd.TimeCode(frame))))
        return told.hexdigest()

    def lock(self, look_sha256: str) -> str:
        """The composition lock: the digests of all exposures, how long each is held, and the look.

        look_sha256: of the look as far as a renderer sees it, so that a new grade does not undo a sign-off.
        """
        return sha256_of_json(
            {
                "shot": str(self.name),
                "digests": [self.digest(frame) for frame in self.sheet.unique_frames],
                "held": [exposure.held_frames for exposure in self.sheet.exposures],
                "look": look_sha256,
            }
        )

    def keypoints(self, frame: int, size: tuple[int, int] | None = None) -> dict[str, Array]:
        """The 18 OpenPose keypoints of each puppet, (18, 3): x and y in pixels, and 1 where inside the frame, else 0.

        x and y are NaN behind the camera. size: width and height of the picture that the pixels are of; the delivered
        picture's unless given.
        """
        width, height = size or self.size
        found = {}
        for name, character in self.cast.items():
            places = character.openpose_keypoints(self.poses[name][frame], self.roots[name][frame])
            pixels = project(places, self.cameras[frame], width, height)
            inside = np.all((pixels >= 0) & (pixels < [width, height]), axis=1)
            found[name] = np.column_stack([pixels, inside.astype(float)])
        return found

    def joints(self, frame: int) -> dict[str, dict[str, Array]]:
        """Every puppet's joints in set space, metres."""
        return {
            name: {
                joint: np.asarray(placed[:3, 3])
                for joint, placed in character.joints(self.poses[name][frame], self.roots[name][frame]).items()
            }
            for name, character in self.cast.items()
        }

    @cached_property
    def identities(self) -> dict[str, str]:
        """Which identity each mesh belongs to: its prim's name below Set or Cast."""
        return {
            prim.GetName(): str(prim.GetPath()).split("/")[3]
            for prim in self.stage.TraverseAll()
            if prim.GetTypeName() == "Mesh"
        }

    def export(self, path: Path) -> None:
        """Write the stage as text. The same composition is the same bytes."""
        self.stage.GetRootLayer().Export(str(path))

    def report(self) -> list[str]:
        """What was decided for the author: where the camera stands, which wild walls are out."""
        first = self.cameras[self.sheet.unique_frames[0]]
        x, y, z = (round(float(value), 2) for value in first.position)
        return [f"camera at {x}, {y}, {z} m, {first.lens_mm:g} mm, focus {first.focus_m:.2f} m", *self.said]

    @cached_property
    def _animated(self) -> list[tuple[bytes, Any]]:
        return [
            (str(attribute.GetPath()).encode(), attribute)
            for prim in self.stage.TraverseAll()
            for attribute in sorted(prim.GetAuthoredAttributes(), key=lambda attribute: attribute.GetName())
            if attribute.GetNumTimeSamples()
        ]

    @cached_property
    def _still(self) -> bytes:
        told = hashlib.sha256()
        for prim in self.stage.TraverseAll():
            _tell(told, f"{prim.GetPath()} {prim.GetTypeName()}".encode())
            for relation in sorted(prim.GetAuthoredRelationships(), key=lambda relation: relation.GetName()):
                _tell(told, f"{relation.GetName()} {[str(target) for target in relation.GetTargets()]}".encode())
            for attribute in sorted(prim.GetAuthoredAttributes(), key=lambda attribute: attribute.GetName()):
                if not attribute.GetNumTimeSamples():
                    sources = [str(source) for source in attribute.GetConnections()]
                    said = f"{attribute.GetName()} {attribute.GetTypeName()} {sources}"
                    _tell(told, said.encode(), _bytes_of(attribute.Get()))
        return told.digest()


def _tell(told: Any, *said: bytes) -> None:
    """Feed a hash, each part with its length, so that no two stages say the same in other words."""
    for part in said:
        told.update(len(part).to_bytes(8, "big") + part)


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, Sdf.AssetPath):
        return str(value.path).rsplit("/", 1)[-1].encode()
    if type(value).__module__ == Vt.__name__:
        return bytes(np.ascontiguousarray(np.asarray(value)).tobytes())
    return repr(value).encode()


def compose(
    shot: Shot,
    scene: SceneFile,
    set_: SetDescription,
    cast: Mapping[str, Character],
    production: Production,
    textures: TextureSink,
    source: Path | None = None,
) -> Composition:
    """Compose a shot: set, posed puppets, camera and lights.

    source: the shot's file, so that a problem names its line. Raises FilmProblem for what the shot names and the
    production does not have.
    """
    asked = _Asked(shot, scene, source)
    name = scene.name_of(shot)
    sheet = shot.exposure_sheet(production.exposure)
    with asked.about():
        _refuse_strangers(shot, set_, cast)
    with asked.about("cast"):
        blocking = Blocking(shot, set_, cast, sheet.unique_frames)
    width, height = production.resolution
    with asked.about():
        cameras = _cameras(shot, blocking, sheet, width / height)
    stage = _new_stage(production, sheet)
    wild = [
        piece.name
        for piece in set_.file.pieces
        if piece.wild and _stands_in_the_way(changed(piece, shot.pieces.get(piece.name)), cameras)
    ]
    author_set(stage, "/Shot/Set", set_, textures, shot.pieces, wild, sheet.unique_frames)
    author_ambient(stage, "/Shot", set_.file.ambient)
    for member in shot.cast:
        path = f"/Shot/Cast/{member.character}"
        author_puppet(stage, path, cast[member.character], textures, member.props)
        author_performance(
            stage, path, cast[member.character], blocking.poses[member.character], blocking.roots[member.character]
        )
    UsdGeom.Scope.Define(stage, "/Shot/Lights")
    for light_name, light in sorted(_lights(set_, scene, shot).items()):
        with asked.about_light(light_name, set_):
            _author_light(stage, light_name, light, blocking, sheet)
    _author_camera(stage, cameras)
    said = [f"the wild wall {piece} is out: the camera stands behind it" for piece in wild]
    said += [told for member in shot.cast for told in cast[member.character].cannot(member.keys)]
    return Composition(name, stage, sheet, cast, blocking.poses, blocking.roots, cameras, (width, height), said)


@dataclass(frozen=True)
class _Field:
    """A field of an author's file; problems raised within it are told with its file and line."""

    shot: str
    source: Path | None
    location: tuple[str | int, ...]

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, FilmProblem) or error.file is not None or self.source is None:
            return
        location = (*self.location, *error.steps)
        raise FilmProblem(
            error.problem,
            error.mend,
            file=self.source,
            line=line_of(load_yaml(self.source), location),
            field_name=field_path(location),
            shot=self.shot,
        ) from error


class _Asked:
    """Where in the author's files a thing was asked for."""

    def __init__(self, shot: Shot, scene: SceneFile, source: Path | None) -> None:
        self.shot, self.scene, self.source = shot, scene, source
        self.name, self.place = str(scene.name_of(shot)), scene.shots.index(shot)

    def about(self, *field: str | int) -> _Field:
        """A field of the shot."""
        return _Field(self.name, self.source, ("shots", self.place, *field))

    @contextmanager
    def about_light(self, name: str, set_: SetDescription) -> Iterator[None]:
        """A light: its problems stand where the field was last said, in the shot, the scene or the set."""
        try:
            yield
        except FilmProblem as problem:
            with self._where_said(name, set_, str(problem.steps[0])):
                raise

    def _where_said(self, name: str, set_: SetDescription, field: str) -> _Field:
        if name in self.shot.light and field in self.shot.light[name].model_fields_set:
            return self.about("light", name)
        if name in self.scene.light and field in self.scene.light[name].model_fields_set:
            return _Field(self.name, self.source, ("light", name))
        return _Field(self.name, set_.folder / SET_FILE if self.source else None, ("lights", name))


def _refuse_strangers(shot: Shot, set_: SetDescription, cast: Mapping[str, Character]) -> None:
    """Refuse what the shot frames, changes or holds and nobody has."""
    pieces = [*(piece.name for piece in set_.file.pieces), *set_.things]
    there = [*(member.character for member in shot.cast), *pieces]
    for name in shot.subjects:
        if name not in there:
            with under("subject"):
                raise FilmProblem(
                    f"there is no {name!r} to frame in this shot",
                    near(name, there) or f"choose among {', '.join(there) or 'none yet'}",
                )
    for name, change in shot.pieces.items():
        with under("pieces", name):
            if name not in pieces:
                raise FilmProblem(
                    f"the set {set_.name} has no piece {name!r}",
                    near(name, pieces) or f"choose among {', '.join(pieces) or 'none yet'}",
                )
            if name in set_.things and change.model_fields_set - {"visible"}:
                raise FilmProblem(
                    f"{name!r} is a thing of {set_.file.model}, which can be made invisible and nothing else",
                    "say only `visible`, or change the model",
                )
    for number, member in enumerate(shot.cast):
        props = [prop.kind for prop in cast[member.character].file.props]
        for place, name in enumerate(member.props):
            if name not in props:
                with under("cast", number, "props", place):
                    raise FilmProblem(
                        f"{member.character} has no prop {name!r}",
                        near(name, props) or f"its props are {', '.join(props) or 'none yet'}: see character.yaml",
                    )


def _new_stage(production: Production, sheet: ExposureSheet) -> Usd.Stage:
    stage = Usd.Stage.CreateInMemory("shot.usda")
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(float(production.rate.fps))
    stage.SetStartTimeCode(sheet.frames.first_frame)
    stage.SetEndTimeCode(sheet.frames.last_frame)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/Shot").GetPrim())
    return stage


def _cameras(shot: Shot, blocking: Blocking, sheet: ExposureSheet, aspect: float) -> dict[int, CameraFrame]:
    setup, first = shot.camera, sheet.unique_frames[0]
    subjects = [blocking.performing(name, sheet.unique_frames) for name in shot.subjects]
    if setup.position is not None:
        with under("camera", "target"):
            target = blocking.place(setup.target, first) if setup.target is not None else None
        if target is None:
            target = (
                np.mean([subject.landmarks["eyes"] for subject in subjects], axis=0)
                if subjects
                else np.array([0, 0, 1.0])
            )
        with under("camera", "position"):
            start = placed_by_hand(setup, target, aspect)
    else:
        if not subjects:
            with under("camera"):
                raise FilmProblem(
                    "the camera has nothing to frame", "name a subject, cast somebody, or give position and target"
                )
        start = frame_subjects(setup, shot.size, subjects, aspect)
        target = np.mean([subject.landmarks["eyes"] for subject in subjects], axis=0)
    cameras = {}
    for frame in sheet.unique_frames:
        camera = moved(start, setup.moves, sheet.frames, frame, target)
        with under("camera", "focus"):
            sharp = blocking.place(setup.focus, frame) if setup.focus else target
        focus = float((sharp - camera.position) @ camera.forward)
        cameras[frame] = CameraFrame(
            camera.matrix, camera.lens_mm, camera.aperture_w_mm, camera.aperture_h_mm, max(focus, 0.05), camera.f_stop
        )
    return cameras


def _stands_in_the_way(piece: SetPiece, cameras: Mapping[int, CameraFrame]) -> bool:
    """Whether the camera stands behind a wild wall: the wall's face looks away from it."""
    turn = np.radians(piece.turn_deg)
    face = np.array([np.sin(turn), -np.cos(turn)])
    return any(float((camera.position[:2] - np.asarray(piece.at[:2])) @ face) < 0.12 for camera in cameras.values())


def _author_camera(stage: Usd.Stage, cameras: Mapping[int, CameraFrame]) -> None:
    prim = UsdGeom.Camera.Define(stage, "/Shot/Camera")
    place = prim.AddTransformOp()
    prim.CreateClippingRangeAttr(Gf.Vec2f(0.02, 1000.0))
    for frame, camera in cameras.items():
        time = Usd.TimeCode(frame)
        place.Set(matrix(camera.matrix), time)
        # UsdGeomCamera counts lens and film back in tenths of a scene unit, whatever the unit: only ratios matter.
        prim.CreateFocalLengthAttr().Set(float(camera.lens_mm), time)
        prim.CreateFocusDistanceAttr().Set(float(camera.focus_m), time)
        prim.CreateFStopAttr().Set(float(camera.f_stop), time)
    first = next(iter(cameras.values()))
    prim.CreateHorizontalApertureAttr().Set(float(first.aperture_w_mm))
    prim.CreateVerticalApertureAttr().Set(float(first.aperture_h_mm))


def _lights(set_: SetDescription, scene: SceneFile, shot: Shot) -> dict[str, Light]:
    """The set's lights as the scene and then the shot change them: a change says only what is different."""
    lights = dict(set_.file.lights)
    for changes in (scene.light, shot.light):
        for name, change in changes.items():
            said = {field: getattr(change, field) for field in change.model_fields_set}
            lights[name] = lights[name].model_copy(update=said) if name in lights else change
    return lights


_LIGHT_KINDS = {
    "rect": UsdLux.RectLight,
    "disk": UsdLux.DiskLight,
    "sphere": UsdLux.SphereLight,
    "distant": UsdLux.DistantLight,
}


def _author_light(stage: Usd.Stage, name: str, light: Light, blocking: Blocking, sheet: ExposureSheet) -> None:
    prim = _LIGHT_KINDS[light.kind].Define(stage, f"/Shot/Lights/{name}")
    prim.CreateColorAttr(Gf.Vec3f(*light.color))
    prim.CreateNormalizeAttr(True)
    if light.kind == "rect":
        prim.CreateWidthAttr(float(light.size_m))
        prim.CreateHeightAttr(float(light.size_y_m or light.size_m))
    elif light.kind in ("disk", "sphere"):
        prim.CreateRadiusAttr(float(light.size_m) / 2)
    else:
        prim.CreateAngleAttr(float(light.size_m))
    watts = prim.GetPrim().CreateAttribute("film:watts", Sdf.ValueTypeNames.Float)
    place = prim.AddTransformOp()
    for frame in sheet.unique_frames:
        power = float(light.intensity * level_at(light.levels, frame))
        prim.CreateIntensityAttr().Set(power, Usd.TimeCode(frame))
        watts.Set(power, Usd.TimeCode(frame))
        place.Set(matrix(blocking.light_matrix(light, frame)), Usd.TimeCode(frame))
