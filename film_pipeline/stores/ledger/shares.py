"""Shares: links under which somebody without an account sees some pictures for some time, and nothing else."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.books import Books, number_of, stamp, storable
from film_pipeline.stores.ledger.schema import SHARES

LONGEST = datetime.timedelta(days=90)
MOST_CLIPS = 2000


@dataclass(frozen=True)
class SharedClip:
    """One version of one stage of a shot."""

    shot: str
    stage: str
    version: int


@dataclass(frozen=True)
class Share:
    """A link that was given out. What it shows is what was chosen then: later versions are not seen under it."""

    number: int
    title: str
    clips: tuple[SharedClip, ...]
    made_by: str
    made_at: str
    expires_at: str
    revoked_by: str = ""
    revoked_at: str = ""

    def open_at(self, moment: str) -> bool:
        return not self.revoked_at and self.expires_at > moment


class Shares:
    """The links that were given out."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def make(
        self,
        token_sha256: str,
        title: str,
        clips: Sequence[SharedClip],
        by: str,
        lasts: datetime.timedelta,
        now: datetime.datetime | None = None,
    ) -> Share:
        """Give a link out. Raises FilmProblem for one that shows nothing, too much, or lasts too long."""
        moment = self._books.time(now)
        if not clips:
            raise FilmProblem("there is nothing to share", "choose pictures that were made")
        if len(clips) > MOST_CLIPS:
            raise FilmProblem(f"{len(clips)} versions are too many for one link", "share a scene, or a day")
        if not datetime.timedelta(0) < lasts <= LONGEST:
            raise FilmProblem(f"a link lasts at most {LONGEST.days} days", "choose a shorter time")
        row = {
            "token_sha256": token_sha256,
            "title": storable(title)[:255],
            "clips": json.dumps([[clip.shot, clip.stage, clip.version] for clip in clips]),
            "made_by": storable(by),
            "made_at": stamp(moment),
            "expires_at": stamp(moment + lasts),
            "revoked_by": "",
        }
        with self._books.writing() as connection:
            number = number_of(connection, SHARES, row)
            return _share(connection.execute(select(SHARES).where(SHARES.c.number == number)).one())

    def of(self, token_sha256: str, now: datetime.datetime | None = None) -> Share | None:
        """What a link shows; nothing where it has expired, was taken back, or never was."""
        share = self.given_out(token_sha256)
        return share if share is not None and self.is_open(share, now) else None

    def given_out(self, token_sha256: str) -> Share | None:
        """The link of that token, whether or not it still shows anything."""
        with self._books.reading() as connection:
            row = connection.execute(select(SHARES).where(SHARES.c.token_sha256 == token_sha256)).first()
        return None if row is None else _share(row)

    def is_open(self, share: Share, now: datetime.datetime | None = None) -> bool:
        """Whether a link shows something at that moment: neither expired nor taken back."""
        return share.open_at(stamp(self._books.time(now)))

    def revoke(self, number: int, by: str, now: datetime.datetime | None = None) -> None:
        """Take a link back, at once. Raises FilmProblem where there is none of that number."""
        with self._books.writing() as connection:
            if connection.execute(select(SHARES.c.number).where(SHARES.c.number == number)).first() is None:
                raise FilmProblem(f"there is no link {number}", "the page of shared links lists them")
            back = update(SHARES).where(SHARES.c.number == number, SHARES.c.revoked_at.is_(None))
            connection.execute(back.values(revoked_by=storable(by), revoked_at=stamp(self._books.time(now))))

    def all(self) -> list[Share]:
        """Every link that was given out, the newest first."""
        with self._books.reading() as connection:
            return [_share(row) for row in connection.execute(select(SHARES).order_by(SHARES.c.number.desc()))]


def _share(row: Row[Any]) -> Share:
    return Share(
        number=row.number,
        title=row.title,
        clips=tuple(SharedClip(*clip) for clip in json.loads(row.clips)),
        made_by=row.made_by,
        made_at=row.made_at,
        expires_at=row.expires_at,
        revoked_by=row.revoked_by,
        revoked_at=row.revoked_at or "",
    )
