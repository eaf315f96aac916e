"""Words from Discord and for Discord: what is understood of a reply, and text that looks as it was meant."""

import re
import unicodedata

from film_pipeline.discord.client import MOST_LETTERS

LONGEST_DIRECTION = 300
"""Of one reply."""
LONGEST_IN_ALL = 600
"""Of a reply together with the direction of the take that it answers."""
_LINK = re.compile(r"\[([^\]\n]{0,200})\]\([^)\s]{0,2000}\)")
# People, roles, channels, emoji of a server, times, commands.
_MENTIONS = re.compile(r"<(?:@[!&]?|#|a?:\w{1,40}:|t:|/[\w -]{1,100}:)-?\d{1,25}(?::\w)?>|@(?:everyone|here)")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://\S+", re.IGNORECASE)
_MARKUP = re.compile(r"[*_~`|\\<>#\[\]]+")
_LINES = re.compile(r"\s*[\r\n\u2028\u2029\v\f]+\s*")
_MEANS_SOMETHING = re.compile(r"([\\*_~`|>#\[\]<@])")


def understood(text: str, most: int = LONGEST_DIRECTION) -> str:
    """What of a message can be said to a model: plain words on one line, at most so many letters.

    Mentions, addresses, markup and signs that can't be seen are left out; lines are joined by commas. Empty where
    nothing remains.
    """
    # Nobody means to direct with more than this, and what follows need not be looked at.
    plain = _LINES.sub(", ", text[: most * 20])
    # What can't be seen goes first: it must not part an address, a mention or a letter from its accent.
    plain = unicodedata.normalize("NFKC", "".join(map(_visible, plain)))
    plain = _ADDRESS.sub(" ", _MENTIONS.sub(" ", _LINK.sub(r"\1", plain)))
    plain = _MARKUP.sub(" ", plain)
    plain = re.sub(r"(?:\s*,)+\s*", ", ", " ".join(plain.split()))
    return cut(plain.strip(" ,;.-"), most)


def _visible(sign: str) -> str:
    category = unicodedata.category(sign)
    if category == "Cc":
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") or sign == "\N{REPLACEMENT CHARACTER}" else sign


def cut(text: str, most: int) -> str:
    """The beginning of a text, whole words only where there are any."""
    if len(text) <= most:
        return text
    kept, space, _ = text[: most + 1].rpartition(" ")
    return (kept if space else text[:most]).rstrip(" ,;.-")


def together(new: str, before: str) -> str:
    """A new direction with the one of the take that it answers, the new one first; said twice is said once."""
    told = [part for part in before.split(", ") if part and part not in new.split(", ")]
    return cut(", ".join(part for part in (new, *told) if part), LONGEST_IN_ALL)


def as_written(text: str, most: int = MOST_LETTERS) -> str:
    """A message as people read it again, for the notes: its lines stay, what can't be seen is left out."""
    lines = "\n".join(text[: most * 2].splitlines())
    return "".join(sign if sign == "\n" else _visible(sign) for sign in lines).strip()[:most]


def plain(text: str) -> str:
    """Text that Discord shows as it is: nothing of it is markup or a mention."""
    return _MEANS_SOMETHING.sub(r"\\\1", " ".join("".join(map(_visible, text)).split()))


def message(*lines: str) -> str:
    """Lines as one message, as many as Discord takes; empty ones are left out."""
    text = "\n".join(line for line in lines if line)
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1].rstrip("\\") + "…"
