"""Who is in the action: people named in it, and people who never speak."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from film_pipeline.core.acting import is_person_verb
from film_pipeline.core.script_elements import Element

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_ARTICLES = frozenset(str.split("a an the this that his her their its my your our one two three several some no"))
_OWNERS = _ARTICLES - frozenset(str.split("one two three several some no this that"))
_INTRODUCED = re.compile(r"\s*\(\s*\d|\s*,\s*(?:\d|a\b|an\b|the\b|in\s+(?:his|her|their)\b)")


def mentions(text: str, people: Sequence[str]) -> list[str]:
    """The people whom a paragraph of action names, in the order in which it names them.

    A name counts in capitals or with capital initials; a first name stands for a full one where only one person has it.
    """
    found = [
        (place, name) for name in people if (place := _first_mention(text, name, _first_name(name, tuple(people)))) >= 0
    ]
    return [name for _, name in sorted(found, key=lambda pair: pair[0])]


def find_silent(elements: Iterable[Element], speakers: Sequence[str]) -> list[str]:
    """People who never speak: introduced in capitals with an age or an apposition, or doing what only people do.

    'PIM, a small courier' and 'PIM climbs' are people; 'the LANTERN glows' and 'THREE KNOCKS' are not.
    """
    found: list[str] = []
    for element in elements:
        if element.kind == "action":
            found.extend(_silent_in(element.text))
    # ODILE VANE, as she is introduced, is the ODILE who speaks.
    heard = {word.casefold() for name in speakers for word in name.split()}
    return [name for name in found if not heard & {word.casefold() for word in name.split()}]


def capital_objects(text: str, people: Sequence[str]) -> list[str]:
    """Things written in capitals after an article or an owner: 'a LANTERN', 'her PEN'; no people, and no sounds."""
    names = {word.casefold() for name in people for word in name.split()}
    found = []
    for start, name in _capital_names(text):
        before = _WORD.findall(text[:start])[-1:]
        owned = bool(before) and (before[0].lower() in _OWNERS or before[0].endswith(("'s", "’s")))
        if owned and len(name) > 2 and not names & {word.casefold() for word in name.split()}:
            found.append(name)
    return found


def _silent_in(text: str) -> list[str]:
    found = []
    for start, name in _capital_names(text):
        before = _WORD.findall(text[:start])[-1:]
        if before and before[0].lower() in _ARTICLES:
            continue
        rest = text[start + len(name) :]
        next_word = re.match(r"\s+([^\W\d_]+)", rest)
        acting = next_word is not None and is_person_verb(next_word[1])
        introduced = _INTRODUCED.match(rest) is not None and not name.endswith("S")
        if acting or introduced:
            found.append(name)
    return found


def _capital_names(text: str) -> list[tuple[int, str]]:
    """Every run of words in capitals, with the place where it begins."""
    found: list[tuple[int, str]] = []
    for word in _WORD.finditer(text):
        if len(word[0]) < 2 or not word[0].isupper():
            continue
        if found and text[found[-1][0] + len(found[-1][1]) : word.start()] in (" ", ". "):
            start, run = found[-1]
            joint = text[start + len(run) : word.start()]
            if joint == " " or run.split()[-1] in ("DR", "MR", "MRS", "MS", "ST"):
                found[-1] = (start, text[start : word.end()])
                continue
        found.append((word.start(), word[0]))
    return found


def _first_mention(text: str, name: str, first_name: str) -> int:
    for spelling in _spellings(name, first_name):
        found = spelling.search(text)
        if found:
            return found.start()
    return -1


@lru_cache(maxsize=1024)
def _spellings(name: str, first_name: str) -> tuple[re.Pattern[str], ...]:
    spelt = dict.fromkeys(
        (
            name,
            name.upper(),
            name.title(),
            name.capitalize(),
            *((first_name.upper(), first_name.title()) if first_name else ()),
        )
    )
    # Scripts without spaces between words name people in the midst of a run of letters.
    edges = ("", "") if not _cased(name) else (r"(?<!\w)", r"(?!\w)")
    return tuple(re.compile(edges[0] + re.escape(written) + edges[1]) for written in spelt if written)


def _cased(name: str) -> bool:
    return name.upper() != name.lower()


def _first_name(name: str, people: tuple[str, ...]) -> str:
    first, _, rest = name.partition(" ")
    if not rest or len(first) < 3 or not first.isalpha() or first.casefold() in _TITLES:
        return ""
    return first if sum(other.split()[0].casefold() == first.casefold() for other in people) == 1 else ""


_TITLES = frozenset(
    str.split("mrs miss the old young little big man woman boy girl doctor captain first second third another")
)
