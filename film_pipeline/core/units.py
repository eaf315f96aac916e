"""Units of the author's fields, for those whose name does not carry its unit. The published schemas carry them too."""

from pydantic.config import JsonDict

FRAMES: JsonDict = {"unit": "frames"}
FRAME_NUMBER: JsonDict = {"unit": "frame number"}
FRAMES_A_SECOND: JsonDict = {"unit": "frames a second"}
METRES: JsonDict = {"unit": "metres"}
DEGREES: JsonDict = {"unit": "degrees"}
PIXELS: JsonDict = {"unit": "pixels"}
PIXELS_AT_720: JsonDict = {"unit": "pixels at 720 lines"}
SHARE: JsonDict = {"unit": "0 to 1"}
SECONDS: JsonDict = {"unit": "seconds"}
HERTZ: JsonDict = {"unit": "hertz"}
WATTS: JsonDict = {"unit": "watts"}
LINEAR_RGB: JsonDict = {"unit": "scene-linear Rec.709"}

_BY_SUFFIX = {
    "_m": "metres",
    "_mm": "millimetres",
    "_deg": "degrees",
    "_stops": "stops",
    "_lufs": "LUFS",
    "_db": "dB",
    "_seconds": "seconds",
    "_s": "seconds",
    "_gb": "gigabytes",
    "_frame": "frame number",
}


def unit_by_name(field: str) -> str:
    """The unit that a field's name carries: metres for `height_m`; nothing where it carries none."""
    return next((unit for suffix, unit in _BY_SUFFIX.items() if field.endswith(suffix)), "")
