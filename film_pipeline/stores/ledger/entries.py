"""Entries: what happens to money, one line after the other. Nothing is ever changed or crossed out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, insert

from film_pipeline.stores.ledger.books import storable
from film_pipeline.stores.ledger.schema import SPEND

Kind = Literal["reserve", "release", "settle", "overhead", "adjust"]


@dataclass(frozen=True)
class Entry:
    """One line, in millionths of a dollar. What is set aside comes in as `reserved`, what is spent as `settled`.

    job: empty for what belongs to none. approval: empty for what nobody signed for.
    """

    kind: Kind
    job: str = ""
    approval: str = ""
    shot: str = ""
    backend: str = ""
    reserved: int = 0
    settled: int = 0
    estimated: bool = False
    entered_by: str = ""
    note: str = ""

    @classmethod
    def of_job(
        cls,
        kind: Kind,
        row: Mapping[Any, Any],
        reserved: int = 0,
        settled: int = 0,
        estimated: bool = False,
        entered_by: str = "",
        note: str = "",
    ) -> "Entry":
        """An entry for a row of jobs."""
        return cls(
            kind,
            row["job"],
            row["approval"],
            row["shot"],
            row["backend"],
            reserved,
            settled,
            estimated,
            entered_by,
            note,
        )


def post(connection: Connection, entries: Iterable[Entry], moment: str) -> None:
    """Enter them. What moves no money is left out."""
    rows = [
        {
            "at": moment,
            "kind": entry.kind,
            "job": entry.job,
            "approval": entry.approval,
            "shot": entry.shot,
            "backend": entry.backend,
            "reserved_micros": entry.reserved,
            "settled_micros": entry.settled,
            "estimated": entry.estimated,
            "entered_by": storable(entry.entered_by),
            "note": storable(entry.note),
        }
        for entry in entries
        if entry.reserved or entry.settled
    ]
    if rows:
        connection.execute(insert(SPEND), rows)
