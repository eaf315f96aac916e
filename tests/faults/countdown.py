"""Counts what a process does to its disk, the network and the ledger, and kills it at a chosen moment.

Nothing of the orchestrator is replaced: the interpreter's audit events tell of files, httpcore's log of requests, and
SQLAlchemy's events of transactions.
"""

import asyncio
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

_FILES = frozenset({"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"})
_WRITING = os.O_WRONLY | os.O_RDWR
_METHOD = re.compile(r"<Request \[b'([A-Z]+)'\]>")

WINDOWS = {
    "anywhere": r"",
    "reserving": r"ledger INSERT INTO jobs",
    "reserved": r"ledger after INSERT INTO spend",
    "keeping the order": r"disk .*/orders/",
    "admitting": r"ledger UPDATE jobs SET state=.*jobs.state",
    "admitted": r"ledger after UPDATE jobs SET state=.*jobs.state",
    "sending": r"http POST send_request_headers.started",
    "sent": r"http POST send_request_body.complete",
    "answered": r"http POST receive_response_headers.complete",
    "moving": r"ledger UPDATE jobs SET state=.*held_micros",
    "moved": r"ledger after UPDATE jobs SET state=.*held_micros",
    "charging": r"ledger INSERT INTO spend",
    "polling": r"http GET send_request_headers.started",
    "fetching": r"disk .*/incoming/",
    "storing": r"disk .*/objects/",
    "recording": r"disk .*\.json",
    "laying out": r"disk (os.link|os.rename) .*/shots/",
    "indexing": r"ledger INSERT INTO frames",
    "indexed": r"ledger after INSERT INTO (frames|edges)",
    "tidying": r"disk (os.remove|os.rmdir)",
    "hiring": r"ledger INSERT INTO workers",
}
"""Where a process is killed: what it is about to do, or (`after`, `complete`) has just done."""


@dataclass(frozen=True)
class Moment:
    """The `number`-th time that the process is in a window."""

    window: str
    number: int


class Countdown(logging.Handler):
    """moment: at which the process dies; without one it only counts. told: hears of the last thing it did."""

    def __init__(self, moment: Moment | None, told: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._moment, self._told = moment, told
        self._wanted = re.compile(WINDOWS[moment.window]) if moment is not None else None
        self._seen = 0
        self._writes = threading.local()
        self._methods: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()
        self._one_by_one = threading.RLock()

    def begin(self) -> None:
        """Count from now on, for as long as the process lives."""
        sys.addaudithook(self._of_disk)
        # Nobody asks where a line of the log was written, and finding it out takes longer than counting it.
        logging._srcfile = None
        for name in ("httpcore.http11", "httpcore.connection"):
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
            logger.addHandler(self)
        event.listen(Engine, "before_cursor_execute", self._of_statement)
        event.listen(Engine, "commit", lambda _: self.count("ledger commit"))
        event.listen(Pool, "checkin", self._of_return)

    def count(self, what: str) -> None:
        """Something is about to happen, or has just happened."""
        if self._wanted is None or self._moment is None or not self._wanted.match(what):
            return
        with self._one_by_one:
            self._seen += 1
            if self._seen == self._moment.number:
                self._told(f"{self._moment.window} ({self._moment.number}): {what[:120]}")
                os.kill(os.getpid(), signal.SIGKILL)

    def emit(self, record: logging.LogRecord) -> None:
        """httpcore names the method when it begins something with a request, and not when that is done."""
        message, task = record.getMessage(), asyncio.current_task()
        if task is None:
            return
        named = _METHOD.search(message)
        if named is not None:
            self._methods[task] = named[1]
        self.count(f"http {self._methods.get(task, '')} {message[:120]}")

    def _of_disk(self, what: str, arguments: tuple[Any, ...]) -> None:
        if what == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING and isinstance(path, str | os.PathLike):
                self.count(f"disk open {os.fspath(path)}")
        elif what in _FILES:
            self.count(f"disk {what} {' '.join(str(one) for one in arguments)}")

    def _of_statement(self, *arguments: Any) -> None:
        statement = " ".join(str(arguments[2]).split())
        if not statement.startswith(("SELECT", "PRAGMA", "BEGIN")):
            self._writes.__dict__.setdefault("done", []).append(statement)
            self.count(f"ledger {statement}")

    def _of_return(self, *_: Any) -> None:
        """A connection comes back: what its transaction wrote is on the disk."""
        done, self._writes.done = self._writes.__dict__.get("done", []), []
        for statement in done:
            self.count(f"ledger after {statement}")
