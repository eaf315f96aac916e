"""`make bench`: every benchmark, one after the other, each in its own process. Figures of one call belong together.

python -m benchmarks [NAME ...] runs only those: dagster, second_run, provenance, finishing, ...
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main() -> int:
    asked = sys.argv[1:] or NAMES
    unknown = [name for name in asked if name not in NAMES]
    if unknown:
        sys.stderr.write(f"there is no benchmark {', '.join(unknown)}: choose among {', '.join(NAMES)}\n")
        return 2
    sys.stdout.write(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONWARNINGS": "ignore"}
    failed = []
    for name in asked:
        sys.stdout.write(f"\n== {name}\n")
        sys.stdout.flush()
        done = subprocess.run([sys.executable, "-m", f"benchmarks.bench_{name}"], env=environment, check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        sys.stderr.write(f"these could not be measured: {', '.join(failed)}\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
