"""The browser's part is built from a lockfile, and nothing of others' code is in the repository."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "review_app" / "web"


def test_the_lockfile_names_no_registry_and_pins_every_package_by_its_hash() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: told for name, told in lock["packages"].items() if name}
    assert "http" not in json.dumps([told.get("resolved", "") for told in packages.values()])
    assert all(told["integrity"].startswith("sha512-") for told in packages.values())
    assert packages["node_modules/htmx.org"]["version"] == "2.0.11"


def test_what_is_built_and_what_is_fetched_is_ignored_by_git() -> None:
    made = ["review_app/static/app.js", "review_app/web/node_modules/htmx.org/package.json"]
    ignored = subprocess.run(["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout.split() == made


def test_pages_load_nothing_from_elsewhere() -> None:
    for template in (ROOT / "review_app" / "templates").glob("*.html"):
        written = template.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in written and "https://" not in written and "//cdn" not in written, template.name


@pytest.mark.slow
def test_a_wheel_that_is_built_from_the_sources_carries_the_app(tmp_path: Path) -> None:
    import sys

    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"review_app/static/app.js", "review_app/static/player.js", "review_app/static/app.css"} <= names
    assert "review_app/templates/shot.html" in names and "film_pipeline/dagster.yaml" in names
    assert not [name for name in names if "node_modules" in name]
