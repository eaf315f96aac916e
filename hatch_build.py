"""Bundles the review app's browser part whenever the package is built, so that `pip install` just works."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ReviewAppBundle(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        runpy.run_path(str(Path(self.root) / "review_app" / "web" / "bundle.py"))["bundle"]()
        build_data["artifacts"].append("review_app/static/")
