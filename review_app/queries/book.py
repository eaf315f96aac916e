"""What pages follow of the ledger, shot by shot: words on takes, what is under way, what is new since they asked."""

import datetime
import os
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from film_pipeline.core.jobs import JobState
from film_pipeline.departments.film import Film
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.news import Mark, News

MONEY, WORKERS = "money", "workers"
"""Topics beside the shots."""
_TOLD_KEPT = 512
_ASK_SERVER_S = 1.0
"""So often a database that is no file is asked for news."""


@dataclass
class Book:
    """The ledger as pages follow it. It is changed by one thread and read by all.

    words: the last circle or reject of each take of a shot. takes: those that were opened. home: render versions that
    are complete. under_way: the jobs of each take that are in no final state, by state.
    """

    words: dict[str, dict[int, str]] = field(default_factory=dict)
    takes: dict[str, set[int]] = field(default_factory=dict)
    home: dict[str, tuple[int, ...]] = field(default_factory=dict)
    under_way: Mapping[str, Mapping[int, Mapping[str, int]]] = field(default_factory=dict)
    uncertain: int = 0
    """How many jobs wait for a person's word."""
    count: int = 0
    """Grows with everything that is told."""
    _told: deque[tuple[int, frozenset[str]]] = field(default_factory=lambda: deque(maxlen=_TOLD_KEPT))

    def unjudged(self, shot: str) -> tuple[int, ...]:
        """The takes of a shot that nobody has said anything of, among those that are home.

        Where one is circled, only those that came after it: the others were passed over.
        """
        words = self.words.get(shot, {})
        circled = max((take for take, word in words.items() if word == "circle"), default=0)
        return tuple(take for take in self.home.get(shot, ()) if take not in words and take > circled)

    def coming(self, shot: str) -> tuple[int, ...]:
        """The takes of a shot that were asked for and are not home, and that nobody rejected."""
        words, home = self.words.get(shot, {}), self.home.get(shot, ())
        return tuple(take for take in sorted(self.takes.get(shot, ())) if take not in home and take not in words)

    def told_since(self, count: int) -> frozenset[str]:
        """The shots and topics that something was told of after that count; `*` where too much was told meanwhile."""
        told = list(self._told)
        if told and told[0][0] > count + 1:
            return frozenset({"*"})
        return frozenset(topic for at, topics in told if at > count for topic in topics)

    def tell(self, topics: Iterable[str]) -> None:
        some = frozenset(topics)
        if some:
            self._told.append((self.count + 1, some))
            self.count += 1


class BookWatch:
    """Keeps a book up to date. It is asked by the thread that watches the film, and nobody else."""

    def __init__(self) -> None:
        self.book = Book()
        self._mark = Mark()
        self._ledger: Ledger | None = None
        self._stood: tuple[tuple[int, int], ...] = ()
        self._revoked: set[str] = set()
        self._expiring: dict[str, set[str]] = {}
        self._heard_at = ""
        self._ask_after = 0.0

    def look(self, film: Film) -> set[str]:
        """Read what is new. Returns the shots whose gate may stand otherwise than before."""
        ledger = film.ledger
        begins = self._ledger is None
        if ledger is not self._ledger:
            self._ledger, self._mark, self._stood = ledger, Mark(), ()
        expired = self._expired(ledger)
        if not self._changed(ledger):
            return expired
        self._mark, news = ledger.news.since(self._mark)
        gates, topics = self._heed(news)
        if not begins:
            # What stood there before anybody looked is news to no page.
            self.book.tell(topics)
        return gates | expired

    def came_home(self, home: Mapping[str, tuple[int, ...]]) -> None:
        """These shots have these render versions now."""
        self.book.home |= home

    def _changed(self, ledger: Ledger) -> bool:
        file = ledger.books.database.file
        if file is None:
            now = time.monotonic()
            if now < self._ask_after:
                return False
            self._ask_after = now + _ASK_SERVER_S
            return True
        stands = tuple(_stand(name) for name in (str(file), f"{file}-wal"))
        changed = stands != self._stood
        self._stood = stands
        return changed

    def _heed(self, news: News) -> tuple[set[str], set[str]]:
        """Take the news in. Returns the shots whose gate may stand otherwise, and every topic that there is news of."""
        book = self.book
        taken = {(shot, take) for shot, work, take in news.takes if work == "take"}
        opened = {shot for shot, take in taken if take not in book.takes.get(shot, ())}
        for shot, take in taken:
            book.takes.setdefault(shot, set()).add(take)
        for word in news.verdicts:
            if word.work == "take" and word.said != "retake":
                book.words[word.shot] = {**book.words.get(word.shot, {}), word.take: word.said}
        for shot, expires_at in news.approvals:
            self._expiring.setdefault(expires_at, set()).add(shot)
        revoked = {(approval, shot) for approval, shot in news.revoked if approval not in self._revoked}
        self._revoked |= {approval for approval, _ in revoked}
        moved = self._jobs(news)
        gates = opened | {shot for _, shot in revoked} | {shot for shot, _ in news.approvals}
        said = {word.shot for word in news.verdicts}
        topics = gates | said | set(news.noted) | moved
        topics |= {MONEY} if news.money else set()
        topics |= {WORKERS} if moved or news.heard_at != self._heard_at else set()
        self._heard_at = news.heard_at
        return gates | said, topics

    def _jobs(self, news: News) -> set[str]:
        """Note what is under way. Returns the shots where something moved."""
        under_way: dict[str, dict[int, Mapping[str, int]]] = {}
        for (shot, work, take), states in news.under_way.items():
            if work == "take":
                under_way.setdefault(shot, {})[take] = states
        before = self.book.under_way
        self.book.under_way = under_way
        self.book.uncertain = sum(states.get(JobState.UNCERTAIN.value, 0) for states in news.under_way.values())
        return {shot for shot in before.keys() | under_way.keys() if before.get(shot) != under_way.get(shot)}

    def _expired(self, ledger: Ledger) -> set[str]:
        """Shots of approvals that have expired since the last look."""
        now = ledger.books.time(None)
        due = [moment for moment in self._expiring if _moment(moment) <= now]
        shots = {shot for moment in due for shot in self._expiring.pop(moment)}
        self.book.tell(shots)
        return shots


def _moment(text: str) -> datetime.datetime:
    try:
        read = datetime.datetime.fromisoformat(text)
    except ValueError:
        return datetime.datetime.max.replace(tzinfo=datetime.UTC)
    return read if read.tzinfo else read.replace(tzinfo=datetime.UTC)


def _stand(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
