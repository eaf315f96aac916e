"""Small written documents that departments turn over."""

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> Path:
    """Write readable JSON in a fixed order, so that the same value is the same bytes."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
