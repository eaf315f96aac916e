"""Scene headings: setting, place and time of day."""

import re
from dataclasses import dataclass
from typing import Literal

Setting = Literal["INT", "EXT", "INT/EXT", ""]

_INSIDE = r"INT|INN(?:EN)?|ИНТ|ІНТ|ΕΣ|室内|屋内|内"
_OUTSIDE = r"EXT|EST|AU(?:SS|ß|ẞ)EN|НАТ|ЭКСТ|ЕКСТ|ΕΞ|室外|屋外|外"
_PREFIX = re.compile(
    rf"(?i)^\s*(?:(?P<both>I/E|E/I|(?:{_INSIDE})\.?\s?/\s?(?:{_OUTSIDE})|(?:{_OUTSIDE})\.?\s?/\s?(?:{_INSIDE}))"
    rf"|(?P<inside>{_INSIDE})|(?P<outside>{_OUTSIDE}))(?:[.．。:,]|\s|$)\s*[-–—]?\s*"
)
_DASH = re.compile(r"\s+[-–—]+\s+|\s*[—–]\s*")
_TIMES = frozenset(
    str.split("""
    day night dusk dawn morning evening afternoon noon midday midnight sunset sunrise twilight later continuous same
    hour predawn pre-dawn daybreak nightfall
    jour nuit soir matin aube crépuscule midi minuit tag nacht abend morgen mittag mitternacht dämmerung
    día dia noche tarde mañana amanecer atardecer giorno notte sera mattina alba tramonto noite manhã
    день ночь вечер утро рассвет закат полдень полночь ніч ранок вечір ημέρα μέρα νύχτα βράδυ πρωί
    dag natt kväll dzień noc wieczór 昼 夜 朝 夕 夕方 夜中 日 白天 晚上 早上 傍晚 深夜 清晨 낮 밤 아침 저녁
    """)
)
_GOES_ON = re.compile(r"[,/&]|\d$|\b(?i:one|two|three|four|five)$")


@dataclass(frozen=True)
class Heading:
    """A heading taken apart. time_of_day is empty where the heading names none."""

    setting: Setting
    location: str
    time_of_day: str


def read_heading(text: str) -> Heading:
    """INT. HOUSE - STUDY - NIGHT gives INT, 'HOUSE - STUDY' and 'NIGHT'; a forced heading may have no setting."""
    prefix = _PREFIX.match(text)
    setting: Setting = ""
    if prefix:
        setting = "INT/EXT" if prefix["both"] else "INT" if prefix["inside"] else "EXT"
    parts = [part.strip() for part in _DASH.split(text[prefix.end() :] if prefix else text)]
    parts = [part for part in parts if part]
    time_of_day: list[str] = []
    while len(parts) > 1 and is_time_of_day(parts[-1]):
        time_of_day.insert(0, parts.pop())
    return Heading(setting, " - ".join(parts).strip(" .,"), " - ".join(time_of_day))


def is_time_of_day(text: str) -> bool:
    """NIGHT, LATE AFTERNOON, MOMENTS LATER, NIGHT (FLASHBACK), and the same in a dozen languages."""
    words = re.findall(r"[\w-]+", re.sub(r"\(.*?\)", "", text).lower())
    if not words or len(words) > 4:
        return False
    return (
        words[-1] in _TIMES or words == ["same", "time"] or (words[0] in _TIMES and _GOES_ON.search(text) is not None)
    )
