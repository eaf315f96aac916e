"""A simulated production knows where its stand-ins are: `film simulate` leaves their addresses in it while they run."""

import os
from pathlib import Path

ADDRESSES_FILE = "simulators.env"
"""In `.film`, as long as the stand-ins answer."""
SIMULATED_MARK = "simulated"


def join_simulation(root: Path) -> bool:
    """Point this process at the stand-ins of a simulated production, if they run. Whether it is so.

    Only what is not set in the environment is taken from there.
    """
    environment = root / ".film" / ADDRESSES_FILE
    if not (root / ".film" / SIMULATED_MARK).is_file() or not environment.is_file():
        return False
    for line in environment.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip().strip("'\""))
    return True
