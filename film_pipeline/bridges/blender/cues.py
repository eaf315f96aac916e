"""A stage's cues: what of it an engine is told by number, so that no importer can lose or bend it."""

from pathlib import Path
from typing import Any

from pxr import Gf, Tf, Usd, UsdGeom, UsdLux

_KINDS = {"RectLight": "rect", "DiskLight": "disk", "SphereLight": "sphere", "DistantLight": "distant"}


class StageUnreadable(Exception):
    """The stage can't be opened."""


def read_cues(path: Path) -> dict[str, Any]:
    """Camera, lights and glow at every frame that the stage samples, the ambient light, and each object's identity.

    Matrices are rows of numbers that act on columns; watts are radiant; identities are prim names under Set and Cast.
    Raises StageUnreadable.
    """
    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as error:
        raise StageUnreadable(
            f"{path} is no USD stage that can be read: {str(error).splitlines()[-1].strip()}"
        ) from error
    frames = _frames(stage)
    cues: dict[str, Any] = {
        "camera": {},
        "lights": {},
        "glow": {},
        "no_shadow": [],
        "identities": {},
        "ambient": [0.01] * 3,
    }
    root = stage.GetDefaultPrim()
    if not root:
        raise StageUnreadable(f"{path} has no default prim")
    ambient = root.GetAttribute("film:ambient")
    if ambient and ambient.HasAuthoredValue():
        cues["ambient"] = [float(value) for value in ambient.Get()]
    for prim in stage.Traverse():
        kind = prim.GetTypeName()
        if kind == "Camera":
            cues["camera"] = {str(frame): _camera(UsdGeom.Camera(prim), frame) for frame in frames}
        elif kind in _KINDS:
            cues["lights"][prim.GetName()] = _light(prim, _KINDS[kind], frames)
        elif kind == "Shader" and prim.HasAttribute("film:emission"):
            material = prim.GetParent().GetName()
            glow = prim.GetAttribute("film:emission")
            # Levels hold until the next change, so they are read as held, not as interpolated.
            stage.SetInterpolationType(Usd.InterpolationTypeHeld)
            cues["glow"][material] = {str(frame): _held(glow, frame) for frame in frames}
            stage.SetInterpolationType(Usd.InterpolationTypeLinear)
        elif kind == "Mesh":
            cues["identities"][prim.GetName()] = _identity(prim)
            shadow = prim.GetAttribute("film:shadow")
            if shadow and shadow.Get() is False:
                cues["no_shadow"].append(prim.GetName())
    return cues


def _frames(stage: Usd.Stage) -> list[int]:
    """The frames that anything is sampled at, else the first."""
    found = {
        int(time)
        for prim in stage.Traverse()
        if prim.GetTypeName() in ("Camera", "SkelAnimation")
        for attribute in prim.GetAuthoredAttributes()
        for time in attribute.GetTimeSamples()
    }
    return sorted(found) or [int(stage.GetStartTimeCode())]


def _held(attribute: Usd.Attribute, frame: int) -> float:
    samples = [time for time in attribute.GetTimeSamples() if time <= frame]
    if not samples:
        return float(attribute.Get(Usd.TimeCode.Default()) or 0.0)
    return float(attribute.Get(samples[-1]))


def _rows(matrix: Gf.Matrix4d) -> list[list[float]]:
    return [[float(matrix[column][row]) for column in range(4)] for row in range(4)]


def _camera(camera: UsdGeom.Camera, frame: int) -> dict[str, Any]:
    time = Usd.TimeCode(frame)
    return {
        "matrix": _rows(camera.ComputeLocalToWorldTransform(time)),
        "lens_mm": float(camera.GetFocalLengthAttr().Get(time)),
        "aperture_w_mm": float(camera.GetHorizontalApertureAttr().Get(time)),
        "aperture_h_mm": float(camera.GetVerticalApertureAttr().Get(time)),
        "focus_m": float(camera.GetFocusDistanceAttr().Get(time)),
        "f_stop": float(camera.GetFStopAttr().Get(time)),
    }


def _light(prim: Usd.Prim, kind: str, frames: list[int]) -> dict[str, Any]:
    light = UsdLux.LightAPI(prim)
    size = {
        "rect": lambda: [
            float(prim.GetAttribute("inputs:width").Get()),
            float(prim.GetAttribute("inputs:height").Get()),
        ],
        "disk": lambda: [2 * float(prim.GetAttribute("inputs:radius").Get())],
        "sphere": lambda: [2 * float(prim.GetAttribute("inputs:radius").Get())],
        "distant": lambda: [float(prim.GetAttribute("inputs:angle").Get())],
    }[kind]()
    watts = prim.GetAttribute("film:watts")
    power = watts if watts and watts.HasAuthoredValue() else light.GetIntensityAttr()
    place = UsdGeom.Xformable(prim)
    return {
        "kind": kind,
        "color": [float(value) for value in light.GetColorAttr().Get()],
        "size": size,
        "watts": {str(frame): float(power.Get(frame)) for frame in frames},
        "matrix": {str(frame): _rows(place.ComputeLocalToWorldTransform(frame)) for frame in frames},
    }


def _identity(prim: Usd.Prim) -> str:
    """The prim's name under Set or Cast; its own where it stands nowhere below them."""
    walk = prim
    while walk and walk.GetParent():
        if walk.GetParent().GetName() in ("Set", "Cast"):
            return str(walk.GetName())
        walk = walk.GetParent()
    return str(prim.GetName())
