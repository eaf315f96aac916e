"""Things that go wrong at a provider, on request: by name of call, by rate from a seed, or by a script."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

STATUSES = frozenset({"429", "500", "502", "503", "524"})
REQUEST = STATUSES | {"drop_before", "drop_after", "duplicate", "slow"}
"""What can befall any HTTP request.

drop_before: the connection breaks before the service has read the request; nothing happened. drop_after: the service
did what it was asked and the connection breaks before the answer. duplicate: the request is delivered twice, as by a
proxy that tries again. slow: the answer comes `seconds` later (wall time).
"""
PICTURE = frozenset({"truncated", "corrupt", "empty", "black", "input_back", "wrong_size"})
"""What can be wrong with a picture that a provider says is finished."""


@dataclass
class Fault:
    """One thing that goes wrong.

    call: a pattern for the names of calls, such as `POST /prompt`, `GET /view*`, `*`; or for the moments inside the
    service, which each lists beside its own kinds (a kind that has one moment needs none).
    times: how often at most. after: calls that pass before the first. rate: the share of calls that it befalls, drawn
    from the service's seed. seconds: for what takes time. retry_after_s: what a 429 says.
    handled: whether a status (502, 524) is answered after the service has done what it was asked.
    is_global: for Discord, whether the 429 is the global one.
    """

    kind: str
    call: str = "*"
    times: int | None = None
    after: int = 0
    rate: float = 1.0
    seconds: float = 0.0
    retry_after_s: float = 1.0
    handled: bool = False
    is_global: bool = False
    seen: int = field(default=0, compare=False)
    fired: int = field(default=0, compare=False)

    @property
    def spent(self) -> bool:
        return self.times is not None and self.fired >= self.times


@dataclass
class _Script:
    call: str
    steps: list[Fault | None]


class Faults:
    """The faults that a service was asked for, and those that it showed."""

    def __init__(self, kinds: Iterable[str], seed: int = 0) -> None:
        self.kinds = frozenset(kinds)
        self._dice = random.Random(seed)
        self._rules: list[Fault] = []
        self._scripts: list[_Script] = []
        self.shown: list[dict[str, str]] = []

    def add(self, fault: Fault) -> None:
        """Raises ValueError for a kind that the service does not know."""
        self._check(fault.kind)
        self._rules.append(fault)

    def script(self, call: str, steps: Sequence[str | dict[str, Any]]) -> None:
        """What befalls the next calls of that name, one after the other; `ok` lets one pass. Comes before the rules."""
        read = [_step(step) for step in steps]
        for fault in read:
            if fault is not None:
                self._check(fault.kind)
        self._scripts.append(_Script(call, read))

    def clear(self) -> None:
        self._rules.clear()
        self._scripts.clear()

    def befalls(self, call: str, kinds: frozenset[str], of: str = "") -> Fault | None:
        """What befalls this call, of the kinds that can happen at this moment.

        of: whom it befalls, where that is known: a job, a pod.
        """
        for script in self._scripts:
            if script.steps and fnmatchcase(call, script.call):
                fault = script.steps.pop(0)
                return self._show(fault, call, of) if fault is not None and fault.kind in kinds else None
        for fault in self._rules:
            if fault.kind in kinds and not fault.spent and fnmatchcase(call, fault.call) and self._strikes(fault):
                fault.fired += 1
                return self._show(fault, call, of)
        return None

    def _strikes(self, fault: Fault) -> bool:
        fault.seen += 1
        return fault.seen > fault.after and (fault.rate >= 1 or self._dice.random() < fault.rate)

    def _show(self, fault: Fault, call: str, of: str) -> Fault:
        self.shown.append({"kind": fault.kind, "call": call, **({"of": of} if of else {})})
        return fault

    def _check(self, kind: str) -> None:
        if kind not in self.kinds:
            raise ValueError(f"there is no fault {kind!r} here: there are {', '.join(sorted(self.kinds))}")


def _step(step: str | dict[str, Any]) -> Fault | None:
    if step == "ok":
        return None
    return Fault(step) if isinstance(step, str) else Fault(**step)
