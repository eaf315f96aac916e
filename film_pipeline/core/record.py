"""The provenance record that stands beside every frame, and the turnover that one stage hands to the next."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Noted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reference(_Noted):
    """Something the frame was made from, by content."""

    role: str = Field(description="plate, pass, pose, character, set, look, drawing, script, sound, frame")
    name: str
    sha256: str
    licence: str = ""


class Event(_Noted):
    """One thing that was done to make the frame."""

    engine: str
    provider: str
    software: str
    author: str
    cost_usd: float | None = Field(description="None where the price is unknown, which is never the same as zero")
    started_at: str = Field(default="", description="UTC, ISO 8601")
    seconds: float | None = None
    detail: dict[str, Any] = Field(default_factory=dict)


class Lineage(_Noted):
    kind: Literal[
        "panel",
        "plate",
        "pass",
        "render",
        "comp",
        "finish",
        "proxy",
        "cut",
        "master",
        "set",
        "puppet",
        "look",
        "script",
    ]
    shot: str
    events: tuple[Event, ...]


class Signature(_Noted):
    """Somebody's sign-off, as far as it was given."""

    name: str
    role: str
    signed_at: str
    subject: str = Field(description="what was signed: the composition lock, a take, a delivery")
    signature: str = ""


class Record(_Noted):
    """The record of one file: who and what made it, from what, for how much, and who signed."""

    deliverable: str
    content_hash_sha256: str
    engine_summary: tuple[str, ...]
    license_summary: tuple[str, ...]
    lineage: Lineage
    certified_by: str = Field(default="", description="who signed off; empty where nobody has yet")

    stage: str
    version: int
    frame: int | None = None
    role: str = Field(description="what the file is within its stage: plate, depth, render, panel, ...")
    media_path: str = Field(description="relative to the production's .film folder")
    media_bytes: int
    recipe_sha256: str
    recipe: dict[str, Any]
    composition_lock: str = ""
    take: int | None = None
    ticket: str = ""
    references: tuple[Reference, ...] = ()
    signoffs: tuple[Signature, ...] = ()
    fallback: str = Field(
        default="", description="why this engine and not the preferred one; empty if it was the preferred"
    )
    made_at: str = Field(default="", description="UTC, ISO 8601")
    schema_version: int = 1


class Item(_Noted):
    """A file in a turnover."""

    role: str
    frame: int | None
    path: str = Field(description="relative to the production's .film folder")
    sha256: str
    bytes: int


class Turnover(_Noted):
    """What a stage made for a shot (or for the whole film, shot ""), handed to the stages after it."""

    stage: str
    shot: str
    version: int
    recipe_sha256: str
    items: tuple[Item, ...]
    facts: dict[str, Any] = Field(
        default_factory=dict, description="what later stages and people read: lengths, counts, scores"
    )

    def of(self, role: str) -> tuple[Item, ...]:
        """The files of one role, in order of frame."""
        return tuple(sorted((item for item in self.items if item.role == role), key=lambda item: item.frame or 0))

    def one(self, role: str, frame: int | None = None) -> Item:
        """The one file of a role (and frame). Raises LookupError where there is none."""
        for item in self.items:
            if item.role == role and (frame is None or item.frame == frame):
                return item
        raise LookupError(
            f"{self.shot or 'the film'} has no {role} in {self.stage}" + (f" at frame {frame}" if frame else "")
        )
