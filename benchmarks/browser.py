"""The Chromium that tests and measurements drive: any that is there, the one without windows first."""

import os
from pathlib import Path

_KNOWN = (
    "/usr/bin/chromium-headless-shell",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
)


def chromium() -> str:
    """What FILM_CHROMIUM names, else Debian's.

    The headless shell is the same engine: a page of its own takes a third of the time, because it has no window frame
    whose own pages want to be drawn. Raises FileNotFoundError where there is none.
    """
    for path in (os.environ.get("FILM_CHROMIUM", ""), *_KNOWN):
        if path and Path(path).is_file():
            return path
    raise FileNotFoundError("there is no Chromium: run deploy/browser.sh, or set FILM_CHROMIUM")
