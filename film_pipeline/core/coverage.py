"""Coverage: which shots a scene's beats are covered by, before anybody is placed or posed."""

import re
from dataclasses import dataclass, field

from film_pipeline.core.acting import Act
from film_pipeline.core.beats import Beat, beats_of
from film_pipeline.core.screenplay import Scene
from film_pipeline.core.shot import Size

_ESTABLISHING_S = 2.5
_LONGEST_ESTABLISHING_S = 8.0
_LONGEST_SINGLE_S = 10.0
_LONG_SCENE_S = 30.0
_CLOSING_S = 2.5
_INSERT_S = 2.0
_PROGRESSION: tuple[Size, ...] = (
    "medium",
    "medium close-up",
    "close-up",
    "medium close-up",
    "close-up",
    "medium close-up",
)
_CALLED: tuple[tuple[re.Pattern[str], Size], ...] = (
    (re.compile(r"EXTREME CLOSE|ECU"), "extreme close-up"),
    (re.compile(r"\bINSERT|\bCUTAWAY"), "insert"),
    (re.compile(r"\bMEDIUM CLOSE|\bMCU"), "medium close-up"),
    (re.compile(r"\bCLOSE|\bCLOSER|\bCU\b|\bTIGHT"), "close-up"),
    (re.compile(r"\bWIDE|\bOVERHEAD|\bBACK TO"), "wide"),
    (re.compile(r"\bTWO[- ]SHOT|\bTRACKING"), "medium wide"),
)


@dataclass
class Setup:
    """One shot to be: how close, of whom, and the beats that happen in it.

    subject is empty where the shot is of the place; everyone: all who are there are in the picture.
    """

    size: Size
    subject: str
    beats: list[Beat] = field(default_factory=list)
    everyone: bool = False
    least_seconds: float = 0.0
    called: str = ""

    @property
    def seconds(self) -> float:
        return max(self.least_seconds, sum(0.0 if beat.dual else beat.seconds for beat in self.beats))


def cover(scene: Scene) -> list[Setup]:
    """The scene's shots in order: an establishing wide, singles and overs by speaker, inserts, a closing wide."""
    beats = beats_of(scene)
    opening: list[Beat] = []
    while (
        beats
        and beats[0].kind == "action"
        and (not opening or sum(beat.seconds for beat in (*opening, beats[0])) <= _LONGEST_ESTABLISHING_S)
    ):
        opening.append(beats.pop(0))
    establishing = Setup("wide", _first_person(opening, scene), opening, everyone=True, least_seconds=_ESTABLISHING_S)
    coverage = _Coverage(scene, [establishing])
    for thing in opening[-1].objects[:1] if opening else ():
        coverage.insert(thing, opening[-1])
    for beat in beats:
        coverage.take(beat)
    coverage.close()
    return coverage.setups


def _first_person(opening: list[Beat], scene: Scene) -> str:
    named = [person for beat in opening for person in beat.people]
    return (named or list(scene.present) or [""])[0]


class _Coverage:
    """Shots so far, and how far each speaker's coverage has come."""

    def __init__(self, scene: Scene, setups: list[Setup]) -> None:
        self.setups = setups
        self._scene = scene
        self._spoken: dict[str, int] = {}
        self._doer = next((person for beat in reversed(setups[0].beats) for person, _ in reversed(beat.doings)), "")

    def take(self, beat: Beat) -> None:
        if beat.kind == "shot":
            self._called(beat)
        elif beat.kind == "speech":
            self._speech(beat)
        else:
            self._action(beat)
        if beat.doings:
            self._doer = beat.doings[-1][0]

    def _called(self, beat: Beat) -> None:
        size: Size = next((size for pattern, size in _CALLED if pattern.search(beat.text)), "medium")
        subject = beat.people[0] if beat.people else self._doer or self._last_subject()
        self.setups.append(Setup(size, subject, [beat], everyone=size in ("wide", "medium wide"), called=beat.text))

    def _speech(self, beat: Beat) -> None:
        last = self.setups[-1]
        if beat.dual and last.beats and last.beats[-1].kind == "speech":
            last.beats.append(beat)
            last.size, last.everyone = "medium wide", True
            return
        subject = beat.speaker if beat.speaker in self._scene.present else self._listener()
        if not subject:
            self._join_or_start(beat, Setup("wide", "", everyone=True))
            return
        if self._goes_on(last, subject, beat):
            last.beats.append(beat)
            return
        turn = self._spoken.get(subject, 0)
        self._spoken[subject] = turn + 1
        size: Size = "medium close-up" if beat.away else _PROGRESSION[turn % len(_PROGRESSION)]
        size = self._other_than_last(size, subject)
        over = size == "medium" and len(self._scene.present) == 2
        self.setups.append(Setup(size, subject, [beat], everyone=over))

    def _goes_on(self, last: Setup, subject: str, beat: Beat) -> bool:
        return (
            last.subject == subject
            and last.size not in ("wide", "insert")
            and last.seconds + beat.seconds <= _LONGEST_SINGLE_S
        )

    def _action(self, beat: Beat) -> None:
        last = self.setups[-1]
        doer = beat.doings[0][0] if beat.doings else beat.people[0] if beat.people else ""
        moves = any(act.steps for _, act in beat.doings)
        if not doer:
            self._join_or_start(beat, Setup("wide", self._last_subject(), everyone=True))
        elif not moves and len(beat.people) < 2 and self._goes_on(last, doer, beat):
            last.beats.append(beat)
        else:
            size: Size = "full" if moves else "medium wide" if len(beat.people) > 1 else "medium"
            self.setups.append(
                Setup(self._other_than_last(size, doer), doer, [beat], everyone=moves or len(beat.people) > 1)
            )
        for thing in beat.objects[:1]:
            self.insert(thing, beat)

    def _join_or_start(self, beat: Beat, setup: Setup) -> None:
        """What is of nobody plays on in a wide shot, if that is what is on screen and is not long already."""
        last = self.setups[-1]
        called = bool(last.beats) and last.beats[-1].kind == "shot"
        if called or (last.size == "wide" and last.seconds + beat.seconds <= _LONGEST_ESTABLISHING_S):
            last.beats.append(beat)
        else:
            setup.beats.append(beat)
            self.setups.append(setup)

    def insert(self, thing: str, beat: Beat) -> None:
        """A close look at the thing that the action writes in capitals, in the hands of whoever has to do with it."""
        subject = beat.doings[-1][0] if beat.doings else beat.people[0] if beat.people else self._last_subject()
        if subject and self.setups[-1].size != "insert":
            self.setups.append(Setup("insert", subject, [], least_seconds=_INSERT_S, called=f"INSERT - {thing}"))

    def close(self) -> None:
        """A long scene ends as it began: wide."""
        total = sum(setup.seconds for setup in self.setups)
        if total > _LONG_SCENE_S and len(self.setups) > 4 and self.setups[-1].size != "wide":
            self.setups.append(
                Setup(
                    "wide",
                    self.setups[0].subject,
                    [],
                    everyone=True,
                    least_seconds=_CLOSING_S,
                    called="The scene settles.",
                )
            )

    def _last_subject(self) -> str:
        return next((setup.subject for setup in reversed(self.setups) if setup.subject), "")

    def _listener(self) -> str:
        subject = self._last_subject()
        return subject or (self._scene.present[0] if self._scene.present else "")

    def _other_than_last(self, size: Size, subject: str) -> Size:
        """Two shots of one person on end never have one size: it would look like a jump."""
        last = self.setups[-1]
        if last.subject != subject or last.size != size:
            return size
        return {"medium": "close-up", "medium close-up": "medium", "close-up": "medium"}.get(size, "medium")  # type: ignore[return-value]


def entrances(beats: list[Beat]) -> set[str]:
    """Who is not there when the scene begins, because the action brings them in later."""
    seen: set[str] = set()
    late: set[str] = set()
    for beat in beats:
        for person, act in beat.doings:
            if person not in seen and _comes_in(act):
                late.add(person)
            seen.add(person)
        if beat.kind == "speech" and not beat.away:
            seen.add(beat.speaker)
        seen.update(beat.people)
    return late


def _comes_in(act: Act) -> bool:
    return act.enters and act.pose == "walk"
