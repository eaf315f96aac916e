"""What people do in a script, and the pose that shows it."""

import re
from dataclasses import dataclass

_DOING: dict[str, str] = {
    "sit_write": "write writes writing scribbles scribbling signs signing draws sketches types typing notes",
    "sit": "sit sits sitting seated slumps settles perches rests collapses",
    "stand": "stand stands standing rises rising straightens waits waiting faces",
    "read": "read reads reading studies examines unfolds scans leafs peruses",
    "knock": "knock knocks knocking raps rapping pounds bangs hammers taps",
    "climb": "climb climbs climbing ascends ascending descends clambers scales",
    "walk": "walk walks walking enters entering exits exiting leaves leaving crosses crossing steps strides runs "
    "running approaches approaching comes goes paces pacing wanders hurries rushes follows returns arrives creeps "
    "moves backs shuffles trudges marches limps departs emerges appears disappears vanishes",
    "reach": "reach reaches reaching opens opening closes closing takes taking grabs picks touches pulls pushes lifts "
    "turns lights knows catches unlocks locks sets puts places lowers pours snatches presses tears searches",
    "hold_out": "gives giving hands handing offers offering holds holding delivers brings bringing passes shows "
    "presents extends raises carries carrying",
    "point": "points pointing gestures indicates aims",
    "look_up": "looks looking glances gazes stares watches watching peers sees notices spots listens",
    "recoil": "recoils recoiling flinches startles jumps gasps freezes shrinks screams starts stumbles "
    "trembles shudders",
    "shrug": "shrugs shrugging sighs sighing",
    "bow": "bows bowing kneels kneeling curtsies crouches bends stoops ducks nods nodding",
    "wave": "waves waving beckons salutes",
    "think": "thinks thinking ponders considers hesitates wonders remembers",
    "arms_crossed": "folds crosses-arms sulks",
    "hands_on_hips": "scolds glares",
    "look_down": "weeps cries crying mourns prays sleeps sleeping dozes",
    "neutral": "frowns smiles smiling laughs speaks says whispers shouts breathes blinks turns-away pauses swallows",
}
POSE_OF_VERB: dict[str, str] = {verb: pose for pose, verbs in _DOING.items() for verb in reversed(verbs.split())}
_SPECIAL = (
    (
        re.compile(
            r"\b(looks?|glances?|gazes?|stares?|peers?)\s+(?:back\s+)?"
            r"(?:down|at the floor|at (?:his|her|their) (?:hands|feet))\b"
        ),
        "look_down",
    ),
    (re.compile(r"\b(looks?|glances?|gazes?|stares?|peers?)\s+up\b"), "look_up"),
    (re.compile(r"\b(crosses|folds)\s+(?:his|her|their)\s+arms\b"), "arms_crossed"),
    (re.compile(r"\bhands?\s+on\s+(?:his|her|their)?\s*hips\b"), "hands_on_hips"),
    (re.compile(r"\bsets?\s+down\b|\bputs?\s+down\b"), "reach"),
    (re.compile(r"\bwrit(?:es|ing)\b|\bpen\b.*\bmoves?\b"), "sit_write"),
    (re.compile(r"\blistens?\b|\blistening\b"), "listen"),
    (re.compile(r"\bturns?\s+(?:away|back|around|to|towards?)\b"), "stand"),
    (re.compile(r"\bstands?\s+up\b|\bgets?\s+up\b"), "stand"),
    (re.compile(r"\bsits?\s+(?:down|up)\b"), "sit"),
)
_PEOPLE_ONLY = frozenset(POSE_OF_VERB) - frozenset(
    str.split(
        "rests notes rises falls comes goes moves opens closes appears disappears vanishes turns lights bangs taps "
        "emerges arrives returns starts trembles shows holds stands shudders waits"
    )
)
_ENTERS = re.compile(
    r"\b(enters?|entering|arrives?|comes in|walks in|steps in|bursts in|rushes in|emerges?|appears?)\b"
)
_LEAVES = re.compile(r"\b(exits?|exiting|leaves?|leaving|departs?|goes out|walks out|runs out|disappears?|vanishes)\b")
_NOT = re.compile(r"\b(without|not|never|doesn['’]t|don['’]t|cannot|can['’]t|nobody|no one)\b")
_CLAUSE = re.compile(r"[.;!?\n]+|,?\s+(?:and|then|while|as)\s+|,")
_CASED_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class Act:
    """One thing that somebody does: a pose, or walking or climbing as a pair of poses."""

    pose: str
    verb: str
    enters: bool = False
    leaves: bool = False

    @property
    def steps(self) -> tuple[str, str] | None:
        """The two poses of a stride, where it is one."""
        return (f"{self.pose}_a", f"{self.pose}_b") if self.pose in ("walk", "climb") else None


def is_person_verb(word: str) -> bool:
    """Whether only somebody alive does that, as far as a table can tell: writes, climbs, sits."""
    return word.lower() in _PEOPLE_ONLY


def clauses(text: str) -> list[str]:
    """The clauses of a piece of action, in order."""
    return [clause for clause in _CLAUSE.split(text) if clause.strip()]


def acts_in(text: str) -> list[Act]:
    """What is done in a piece of action, clause by clause, in order; empty where no verb of the table is there."""
    found: list[Act] = []
    for clause in clauses(text):
        act = _act(clause.lower())
        if act and (not found or found[-1].pose != act.pose):
            found.append(act)
    return found


def _act(clause: str) -> Act | None:
    if _NOT.search(clause):
        return None
    enters, leaves = bool(_ENTERS.search(clause)), bool(_LEAVES.search(clause))
    for pattern, pose in _SPECIAL:
        special = pattern.search(clause)
        if special:
            return Act(pose, special[0].split()[0], enters, leaves)
    for word in _CASED_WORD.findall(clause):
        if word in POSE_OF_VERB:
            return Act(POSE_OF_VERB[word], word, enters, leaves)
    return None


_MOODS: tuple[tuple[re.Pattern[str], dict[str, float]], ...] = (
    (re.compile(r"\b(smil|laugh|happ|cheer|warm|grin|amus|joy|delight|fond)\w*"), {"smile": 0.7}),
    (re.compile(r"\b(ang|fur|shout|glar|bitter|cold|snarl|irritat|stern)\w*"), {"brow_down": 0.8}),
    (re.compile(r"\b(sad|weep|cry|griev|tear|sorrow|frown|worr|afraid|quiet|tired)\w*"), {"frown": 0.6}),
    (re.compile(r"\b(surpris|astonish|shock|startl|wonder|hope|curious|question|gasp)\w*"), {"brow_up": 0.8}),
)


def mood_in(text: str) -> dict[str, float]:
    """The face that a parenthetical or a piece of action asks for: shape -> 0..1."""
    for pattern, face in _MOODS:
        if pattern.search(text.lower()):
            return dict(face)
    return {}
