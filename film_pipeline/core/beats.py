"""A scene's beats: what is done, said and shown, one after another, with how long each takes."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from film_pipeline.core.acting import Act, acts_in, clauses, mood_in
from film_pipeline.core.presence import capital_objects, mentions
from film_pipeline.core.screenplay import Scene, is_away, name_key
from film_pipeline.core.script_elements import Element

WORDS_A_SECOND = 2.5
"""How fast dialogue is spoken."""
_TAIL_S = 0.8
_LONGEST_SPEECH_WORDS = 24
_LONGEST_ACTION_WORDS = 32
_SENTENCE = re.compile(r"(?<=[.!?…。！？])[\"'”’)]*\s+|(?<=[。！？])|\n+")
_PAUSE = re.compile(r"(?<=[,;:—–，；：])\s*")


@dataclass(frozen=True)
class Beat:
    """One thing that happens: an action, a speech or a call for a shot.

    doings: who does what, in order. speaker is empty but for a speech; away: heard, not seen.
    dual: spoken over the speech before it. objects: things that the action writes in capitals.
    """

    kind: str
    text: str
    seconds: float
    doings: tuple[tuple[str, Act], ...] = ()
    people: tuple[str, ...] = ()
    speaker: str = ""
    away: bool = False
    dual: bool = False
    mood: dict[str, float] = field(default_factory=dict)
    objects: tuple[str, ...] = ()


def spoken_seconds(text: str) -> float:
    """How long a line takes to say, without a tail."""
    return max(0.6, word_count(text) / WORDS_A_SECOND)


def word_count(text: str) -> float:
    """Words; in writing without spaces between words, two signs are counted as one."""
    spaced = len(re.findall(r"[\w'’-]+", re.sub(f"[{_UNSPACED}]", " ", text)))
    return spaced + len(re.findall(f"[{_UNSPACED}]", text)) / 2


_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"


def beats_of(scene: Scene) -> list[Beat]:
    """Every beat of the scene, in order. Long paragraphs and long speeches make several."""
    found: list[Beat] = []
    reader = _ActionReader(scene.present)
    for run in _runs(scene.elements):
        first = run[0]
        if first.kind in ("character", "dialogue", "lyric", "parenthetical"):
            found.extend(_speech(run, scene))
        elif first.kind in ("action", "centered"):
            found.extend(reader.read(first.text))
        elif first.kind == "shot":
            people = tuple(mentions(first.text, scene.present))
            found.append(Beat("shot", _line(first.text), _action_seconds(first.text, ()), people=people))
    return found


def _runs(elements: Sequence[Element]) -> Iterator[list[Element]]:
    """A cue with its speech together, everything else by itself; what is not played is left out."""
    run: list[Element] = []
    for element in elements:
        if element.kind in ("note", "section", "synopsis", "transition"):
            continue
        in_speech = element.kind in ("dialogue", "parenthetical", "lyric") and bool(element.character)
        if run and not in_speech:
            yield run
            run = []
        run.append(element)
        if not in_speech and element.kind != "character":
            yield run
            run = []
    if run:
        yield run


def _speech(run: Sequence[Element], scene: Scene) -> list[Beat]:
    cue = run[0]
    asides = " ".join(element.text for element in run if element.kind == "parenthetical").strip("()")
    words = _line(" ".join(element.text for element in run if element.kind in ("dialogue", "lyric")))
    if not words:
        return []
    spelt = {name_key(name): name for name in scene.present}
    speaker = spelt.get(name_key(cue.character), cue.character)
    away = is_away(cue.extension) or name_key(cue.character) not in spelt
    doings = () if away else tuple((speaker, act) for act in acts_in(asides) if not act.leaves)
    return [
        Beat(
            "speech",
            part,
            spoken_seconds(part) + _TAIL_S,
            doings=doings if place == 0 else (),
            people=(speaker,),
            speaker=speaker,
            away=away,
            dual=cue.dual and place == 0,
            mood=mood_in(asides),
        )
        for place, part in enumerate(_portions(words, _LONGEST_SPEECH_WORDS))
    ]


class _ActionReader:
    """Reads action, and remembers whom a `she` is about."""

    def __init__(self, present: Sequence[str]) -> None:
        self._present = present
        self._last = ""

    def read(self, text: str) -> list[Beat]:
        return [self._beat(_line(part)) for part in _portions(text, _LONGEST_ACTION_WORDS) if _line(part)]

    def _beat(self, text: str) -> Beat:
        doings: list[tuple[str, Act]] = []
        for sentence in _SENTENCE.split(text):
            doer = self._last if re.match(r"(?i)\W*(s?he|they|his|her|their)\b", sentence) else ""
            doers = [doer] if doer else []
            acted = True
            for clause in clauses(sentence):
                named = mentions(clause, self._present)[:1]
                acts = acts_in(clause)
                # 'Mother, Father and June sit': names pile up until a verb comes.
                doers = (doers if not acted and doers != [doer] else []) + named if named else doers
                doings.extend((name, act) for act in acts for name in doers)
                acted = bool(acts)
                self._last = doers[-1] if doers else self._last
        people = tuple(dict.fromkeys((*mentions(text, self._present), *(name for name, _ in doings))))
        return Beat(
            "action",
            text,
            _action_seconds(text, doings),
            doings=tuple(doings),
            people=people,
            mood=mood_in(text),
            objects=tuple(capital_objects(text, self._present)),
        )


def _action_seconds(text: str, doings: Sequence[tuple[str, Act]]) -> float:
    walked = sum(1.6 if act.steps else 0.6 for _, act in doings)
    return min(10.0, max(1.6, 0.8 + 0.2 * word_count(text), 0.8 + walked))


def _portions(text: str, longest: int) -> list[str]:
    """Whole sentences together up to `longest` words; a longer one is parted where it pauses."""
    portions: list[list[str]] = []
    counted = 0.0
    for sentence in _sentences(text, longest):
        words = word_count(sentence)
        if portions and counted + words <= longest:
            portions[-1].append(sentence)
            counted += words
        else:
            portions.append([sentence])
            counted = words
    return [" ".join(portion) for portion in portions]


def _sentences(text: str, longest: int) -> Iterator[str]:
    for sentence in _SENTENCE.split(text):
        parts = _PAUSE.split(sentence) if word_count(sentence) > longest else [sentence]
        yield from (part.strip() for part in parts if part.strip())


def _line(text: str) -> str:
    """On one line, without control signs."""
    return "".join(
        sign for sign in " ".join(text.split()) if unicodedata.category(sign) not in ("Cc", "Cs", "Co", "Cn")
    )
