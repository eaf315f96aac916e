"""Names for files and prims out of names that people wrote: `odile`, `old_man_2`, `odil` for ОДИЛЬ.

A slug is a lower-case ASCII identifier (letters, digits, underscores; no digit first), so it is a folder on every
system and a prim in a USD stage.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

_LONGEST = 40
_CYRILLIC = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґў",
        str.split("a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g u"),
        strict=True,
    )
)
_GREEK = dict(
    zip("αβγδεζηθικλμνξοπρσςτυφχψω", str.split("a v g d e z i th i k l m n x o p r s s t y f ch ps o"), strict=True)
)
_LATIN = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th", "ð": "d", "ı": "i", "ħ": "h"}
_SPELT = _CYRILLIC | _GREEK | _LATIN | {"ъ": "", "ь": ""}
_SYLLABLE = re.compile(
    r"(?:HIRAGANA|KATAKANA|HANGUL|HEBREW|DEVANAGARI|ARMENIAN|GEORGIAN|ARABIC|THAI)\b"
    r".*?(?:LETTER|SYLLABLE)(?: SMALL| CAPITAL)? (\S+)$"
)


def slug(text: str) -> str:
    """The slug of a name. Letters of other alphabets are spelt out, and signs that cannot be are numbered.

    Never empty; the same text gives the same slug. Two names may give one slug: `slugs_of` keeps them apart.
    """
    spelt = "".join(_spell(letter) for letter in unicodedata.normalize("NFC", text).lower())
    found = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]+", "_", spelt)).strip("_")
    if not found:
        found = "_".join(f"u{ord(sign):04x}" for sign in text.strip()) or "nameless"
    if found[0].isdigit():
        found = f"n{found}"
    if len(found) > _LONGEST:
        found = f"{found[: _LONGEST - 5].rstrip('_')}_{_mark(text)}"
    return found


def marked_slug(text: str) -> str:
    """The slug of a name whose plain slug is somebody else's: the plain one and four signs drawn from the name."""
    return f"{slug(text)[: _LONGEST - 5].rstrip('_')}_{_mark(text)}"


def slugs_of(names: Iterable[str]) -> dict[str, str]:
    """A slug for every name, no two alike, and the same whatever order the names come in.

    Of names that share a slug the one that is spelt most like it keeps it; the others are marked.
    """
    sharing: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        sharing.setdefault(slug(name), []).append(name)
    found: dict[str, str] = {}
    for plain, named in sharing.items():
        for place, name in enumerate(sorted(named, key=lambda name: (not name.isascii(), len(name), name))):
            found[name] = plain if place == 0 else marked_slug(name)
    taken: set[str] = set()
    for name in sorted(found):
        while found[name] in taken:
            found[name] += "x"
        taken.add(found[name])
    return found


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:4]


def _spell(letter: str) -> str:
    if letter.isascii():
        return "" if letter == "'" else letter
    if letter in _SPELT:
        return _SPELT[letter]
    if letter in "’ʼ":
        return ""
    bare = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    if bare and bare.isascii():
        return bare.lower()
    if bare in _SPELT:
        return _SPELT[bare]
    named = _SYLLABLE.match(unicodedata.name(letter, ""))
    if named and named[1].isascii():
        return re.sub(r"[^a-z0-9]", "", named[1].lower())
    return f"_u{ord(letter):04x}_" if letter.isalnum() else "_"
