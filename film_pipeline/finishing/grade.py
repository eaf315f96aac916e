"""The grade: scene-linear Rec.709 in, display-referred out, through ACES 1.3 of OCIO's built-in CG config.

exposure (linear) -> monochrome (linear) -> CDL (in ACEScct, as graders work) -> ACES 1.3 SDR view.
The exact way takes every pixel through OCIO. The fast way bakes all of it into a 65-cube with ACEScct as its shaper.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import PyOpenColorIO as ocio
from numpy.typing import NDArray

from film_pipeline.core.look import Look, Monochrome

Picture = NDArray[np.float32]
CONFIG = "ocio://cg-config-v2.1.0_aces-v1.3_ocio-v2.3"
LINEAR, LOG, VIEW = "Linear Rec.709 (sRGB)", "ACEScct", "ACES 1.0 - SDR Video"
DISPLAYS = {"rec709": "Rec.1886 Rec.709 - Display", "srgb": "sRGB - Display"}
CUBE = 65


def grade_exact(linear: Picture, look: Look) -> Picture:
    """Grade every pixel through OCIO. (h, w, 3) scene-linear Rec.709 to display-referred 0..1."""
    to_log, to_display = _processors(_grade_key(look))
    return _through(to_display, _monochrome(_through(to_log, linear), look.monochrome))


def grade_fast(linear: Picture, look: Look) -> Picture:
    """Grade through the look's baked LUT: `grade_exact` with a mean error below 0.002.

    A grade that tears the channels several stops apart leaves the display's gamut, where no LUT follows the clipping:
    such a look wants the exact way.
    """
    picture = np.array(linear, dtype=np.float32, order="C")
    _baked(_grade_key(look), look.monochrome).applyRGB(picture)
    return picture


def _through(processor: Any, picture: Picture) -> Picture:
    graded = np.array(picture, dtype=np.float32, order="C")
    processor.applyRGB(graded)
    return graded


_Key = tuple[float, tuple[float, ...], tuple[float, ...], tuple[float, ...], float, str]


def _grade_key(look: Look) -> _Key:
    cdl = look.cdl
    return (look.exposure_stops, cdl.slope, cdl.offset, cdl.power, cdl.saturation, look.display)


@lru_cache(maxsize=1)
def _config() -> Any:
    return ocio.Config.CreateFromFile(CONFIG)


@lru_cache(maxsize=32)
def _processors(key: _Key) -> tuple[Any, Any]:
    """OCIO processors: exposure, and then CDL and view. Between them light is scene-linear Rec.709."""
    stops, slope, offset, power, saturation, display = key
    gain = 2.0**stops
    exposure = ocio.MatrixTransform([gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, 1])
    graded = ocio.GroupTransform(
        [
            ocio.ColorSpaceTransform(LINEAR, LOG),
            ocio.CDLTransform(list(slope), list(offset), list(power), saturation),
            ocio.DisplayViewTransform(src=LOG, display=DISPLAYS[display], view=VIEW),
        ]
    )
    return _cpu(exposure), _cpu(graded)


def _cpu(transform: Any) -> Any:
    # Approximations of log and power are OCIO's SSE fast path, off by 1e-6: no picture shows it.
    return _config().getProcessor(transform).getDefaultCPUProcessor()


@lru_cache(maxsize=32)
def _baked(key: _Key, monochrome: Monochrome) -> Any:
    """One OCIO processor: ACEScct shaper, then the whole grade as a cube, read tetrahedrally."""
    steps = np.linspace(0, 1, CUBE, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    cube = np.stack([red, green, blue], axis=-1).reshape(1, -1, 3)
    linear = _through(_cpu(ocio.ColorSpaceTransform(LOG, LINEAR)), cube)
    to_log, to_display = _processors(key)
    graded = _through(to_display, _monochrome(_through(to_log, linear), monochrome))
    lut = ocio.Lut3DTransform(gridSize=CUBE)
    lut.setInterpolation(ocio.INTERP_TETRAHEDRAL)
    # OCIO's data runs with blue fastest; ours ran with red fastest.
    ordered = graded.reshape(CUBE, CUBE, CUBE, 3).transpose(2, 1, 0, 3)
    lut.setData(np.ascontiguousarray(ordered).reshape(-1))
    return _cpu(ocio.GroupTransform([ocio.ColorSpaceTransform(LINEAR, LOG), lut]))


_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def _monochrome(linear: Picture, monochrome: Monochrome) -> Picture:
    """Towards the tint by luminance, but for what is warm: a lamp keeps its colour, a grey wall has none to keep."""
    if monochrome.amount == 0:
        return linear
    tint = np.array(monochrome.tint, np.float32)
    tint = tint / max(float(tint @ _LUMA), 1e-6)
    # Elementwise, not a matrix product: a product's sums may change with the number of threads.
    luma = linear[..., 0] * _LUMA[0] + linear[..., 1] * _LUMA[1] + linear[..., 2] * _LUMA[2]
    warm = warmth(linear, monochrome.warm_from, monochrome.warm_to)
    # A lamp's light is bright, and bright light bleaches in a film's tone curve: the boost gives its colour back.
    more = 1 + warm * np.float32(monochrome.warm_boost - 1)
    colored = np.maximum(luma[..., None] + more[..., None] * (linear - luma[..., None]), np.minimum(linear, 0))
    away = monochrome.amount * (1 - monochrome.keep_warm * warm)
    return np.asarray(colored + away[..., None] * (luma[..., None] * tint - colored), dtype=np.float32)


def warmth(linear: Picture, warm_from: float, warm_to: float) -> Picture:
    """(h, w) 0..1: how much a pixel's (red - blue) / red lies between the two."""
    red, blue = linear[..., 0], linear[..., 2]
    part = (red - blue) / np.maximum(red, 1e-6)
    share = np.clip((part - warm_from) / max(warm_to - warm_from, 1e-6), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)
