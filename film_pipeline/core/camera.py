"""The camera: framing by shot size and subject, moves, and projection.

A camera's matrix takes its own space (metres, +X right, +Y up, looking along -Z) to set space, as UsdGeomCamera does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from film_pipeline.core.meshes import Array, rotation
from film_pipeline.core.poses import eased
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.shot import CameraMove, CameraSetup
from film_pipeline.core.timing import FrameRange

# Of a shot size: the lowest landmark in the frame, and the share of the picture's height that it fills with the crown.
_SIZES = {
    "extreme wide": ("floor", 0.28),
    "wide": ("floor", 0.5),
    "full": ("floor", 0.84),
    "medium wide": ("knees", 0.84),
    "medium": ("waist", 0.8),
    "medium close-up": ("chest", 0.78),
    "close-up": ("neck", 0.7),
    "extreme close-up": ("chin", 1.15),
    "insert": ("floor", 0.7),
}
_APART_M, _NEAREST_TARGET_M = 1e-3, 0.5
_STEP_BACK, _MOST_STEPS_BACK = 1.02, 120


@dataclass(frozen=True)
class CameraFrame:
    """The camera at one frame. Apertures and lens in millimetres, focus in metres."""

    matrix: Array
    lens_mm: float
    aperture_w_mm: float
    aperture_h_mm: float
    focus_m: float
    f_stop: float

    @property
    def position(self) -> Array:
        return np.asarray(self.matrix[:3, 3])

    @property
    def forward(self) -> Array:
        return np.asarray(-self.matrix[:3, 2])


@dataclass(frozen=True)
class Subject:
    """Something that the camera frames: a puppet by its landmarks, or a piece by its box; which way it faces."""

    name: str
    landmarks: Mapping[str, Array]
    facing_deg: float
    half_width_m: float = 0.25
    is_piece: bool = False

    def span(self, size: str) -> tuple[Array, Array]:
        """The highest and lowest place that a shot of that size must show."""
        return self.landmarks["crown"], self.landmarks[_SIZES[size][0]]

    def must_show(self, size: str) -> tuple[Array, ...]:
        """The places that lie in the frame of a shot of that size whatever happens; the closest sizes cut the crown."""
        lowest, fill = _SIZES[size]
        marks = (lowest, "eyes") if fill > 1 else (lowest, "eyes", "crown")
        return tuple(self.landmarks[mark] for mark in marks)


def aperture(setup: CameraSetup, aspect: float) -> tuple[float, float]:
    """Width and height of the film back in millimetres, cut to the picture's aspect ratio."""
    width, height = setup.film_back.width_mm, setup.film_back.height_mm
    if height is not None:
        width = min(width, height * aspect)
    return width, width / aspect


def frame_subjects(setup: CameraSetup, size: str, subjects: Sequence[Subject], aspect: float) -> CameraFrame:
    """Stand the camera so that the subjects fill the frame as the shot size asks."""
    width_mm, height_mm = aperture(setup, aspect)
    fill = _SIZES[size][1]
    tops, bottoms = zip(*(subject.span(size) for subject in subjects), strict=True)
    top_z, bottom_z = max(float(top[2]) for top in tops), min(float(bottom[2]) for bottom in bottoms)
    places = np.array([(top + bottom) / 2 for top, bottom in zip(tops, bottoms, strict=True)])
    if size in ("close-up", "extreme close-up", "medium close-up"):
        places[:, :2] = np.array([subject.landmarks["eyes"][:2] for subject in subjects])
    headroom = 0.0 if subjects[0].is_piece else (1 - fill) * 0.42 * (top_z - bottom_z) / fill
    middle = np.array([*places[:, :2].mean(axis=0), (top_z + bottom_z) / 2])
    heading = np.radians(subjects[0].facing_deg + setup.angle_deg)
    away = np.array([np.sin(heading), -np.cos(heading), 0.0])
    across = np.array([np.cos(heading), np.sin(heading), 0.0])
    reach = [
        abs(float((place - middle) @ across)) + subject.half_width_m
        for place, subject in zip(places, subjects, strict=True)
    ]
    tall = (top_z - bottom_z) / fill
    wide = 2 * max(reach) / (0.86 if len(subjects) > 1 else 0.6 if subjects[0].is_piece else 0.5)
    distance = max(
        tall * setup.lens_mm / height_mm,
        wide * setup.lens_mm / width_mm if len(subjects) > 1 or subjects[0].is_piece else 0.0,
    )
    nearest = max(float((place - middle) @ away) for place in places)
    # The middle of the picture lies below the crown by half the frame less the headroom.
    middle[2] = top_z + headroom - tall / 2 if not subjects[0].is_piece else middle[2]
    lens_z = setup.height_m if setup.height_m is not None else float(subjects[0].landmarks["eyes"][2])
    shown = np.array([mark for subject in subjects for mark in subject.must_show(size)])
    for step in range(_MOST_STEPS_BACK):
        # What leans towards the lens looms larger than it is: step back until all of it is in the picture.
        position = middle + away * (distance * _STEP_BACK**step + max(nearest, 0.0))
        position[2] = lens_z
        if _shows(CameraFrame(look_at(position, middle), setup.lens_mm, width_mm, height_mm, 1.0, 0.0), shown):
            break
    return _placed(setup, position, middle, width_mm, height_mm)


def _shows(camera: CameraFrame, points_m: Array) -> bool:
    on_frame = project(points_m, camera, 1, 1)
    return bool(np.all((on_frame >= 0) & (on_frame <= 1)))


def placed_by_hand(setup: CameraSetup, target: Array, aspect: float) -> CameraFrame:
    """The camera where its position and target say. Raises FilmProblem where both are the same place."""
    position = np.asarray(setup.position, float)
    if np.linalg.norm(position - target) < _APART_M:
        raise FilmProblem("the camera stands in what it looks at", "move its position or name another target")
    return _placed(setup, position, target, *aperture(setup, aspect))


def _placed(setup: CameraSetup, position: Array, target: Array, width_mm: float, height_mm: float) -> CameraFrame:
    matrix = look_at(position, target)
    pan, tilt = _off_centre(setup, width_mm, height_mm, setup.lens_mm)
    matrix[:3, :3] = (
        rotation("z", pan) @ matrix[:3, :3] @ rotation("x", tilt + setup.tilt_deg) @ rotation("z", setup.roll_deg)
    )
    focus = float(np.linalg.norm(target - position))
    return CameraFrame(matrix, setup.lens_mm, width_mm, height_mm, focus, setup.f_stop or 0.0)


def _off_centre(setup: CameraSetup, width_mm: float, height_mm: float, lens_mm: float) -> tuple[float, float]:
    """How far, in degrees, the camera turns and nods away from its subject so that it stands where `place` says."""
    pan = np.degrees(np.arctan((setup.place[0] - 0.5) * width_mm / lens_mm))
    tilt = np.degrees(np.arctan((setup.place[1] - 0.5) * height_mm / lens_mm))
    return float(pan), float(tilt)


def aim_by_hand(camera: CameraFrame, setup: CameraSetup) -> tuple[Array, Array]:
    """The position and target, metres, with which the setup would place the camera by hand where it is.

    The target lies as far away as the camera is focused, and not so near that a millimetre would turn the camera.
    """
    turn, nod = _off_centre(setup, camera.aperture_w_mm, camera.aperture_h_mm, camera.lens_mm)
    level = (
        rotation("z", -turn)
        @ camera.matrix[:3, :3]
        @ rotation("z", -setup.roll_deg)
        @ rotation("x", -(nod + setup.tilt_deg))
    )
    return camera.position, camera.position - level[:, 2] * max(camera.focus_m, _NEAREST_TARGET_M)


def look_at(position: Array, target: Array) -> Array:
    """A camera's (4, 4) matrix at a position, looking at a target, level with the horizon.

    Where both are the same place it looks down.
    """
    back = position - target
    distance = float(np.linalg.norm(back))
    back = back / distance if distance > 1e-9 else np.array([0.0, 0.0, 1.0])
    right = np.cross([0.0, 0.0, 1.0], back)
    if np.linalg.norm(right) < 1e-6:
        right = np.array([1.0, 0.0, 0.0])
    right = right / np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = right, np.cross(back, right), back, position
    return matrix


def moved(
    start: CameraFrame, moves: Sequence[CameraMove], frames: FrameRange, frame: int, target: Array
) -> CameraFrame:
    """The camera at a frame of the shot, every move eased as far as it has come."""
    camera = start
    for move in moves:
        first, last = move.from_frame or frames.first_frame, move.to_frame or frames.last_frame
        done = 1.0 if last <= first else float(np.clip((frame - first) / (last - first), 0, 1))
        camera = _move(camera, move.kind, move.amount * eased(done, move.ease), target)
    return camera


def _move(camera: CameraFrame, kind: str, amount: float, target: Array) -> CameraFrame:
    matrix = camera.matrix.copy()
    right, forward = matrix[:3, 0], camera.forward
    shifts = {
        "push_in": forward,
        "pull_out": -forward,
        "track_left": -right,
        "track_right": right,
        "crane_up": np.array([0.0, 0.0, 1.0]),
        "crane_down": np.array([0.0, 0.0, -1.0]),
    }
    if kind in shifts:
        matrix[:3, 3] += shifts[kind] * amount
    elif kind == "pan":
        matrix[:3, :3] = rotation("z", amount) @ matrix[:3, :3]
    elif kind == "tilt":
        matrix[:3, :3] = matrix[:3, :3] @ rotation("x", amount)
    elif kind == "roll":
        matrix[:3, :3] = matrix[:3, :3] @ rotation("z", amount)
    elif kind == "orbit":
        turn = rotation("z", amount)
        matrix[:3, 3] = target + turn @ (matrix[:3, 3] - target)
        matrix[:3, :3] = turn @ matrix[:3, :3]
    elif kind == "zoom":
        return replace(camera, lens_mm=max(camera.lens_mm + amount, 4.0))
    return replace(camera, matrix=matrix)


def project(points_m: Array, camera: CameraFrame, width: int, height: int) -> Array:
    """Project points of the set onto the frame.

    points_m: (n, 3) in set space, metres, Z up. Returns (n, 2) in pixels, origin top left; NaN behind the camera.
    Source: pinhole model as UsdGeomCamera defines it (focal length and aperture in the same unit).
    """
    points = np.asarray(points_m, float)
    turned = (points - camera.position) @ camera.matrix[:3, :3]
    depth = np.where(turned[:, 2] < -1e-6, -turned[:, 2], np.nan)
    x = (turned[:, 0] * camera.lens_mm / depth / camera.aperture_w_mm + 0.5) * width
    y = (0.5 - turned[:, 1] * camera.lens_mm / depth / camera.aperture_h_mm) * height
    return np.stack([x, y], axis=1)
