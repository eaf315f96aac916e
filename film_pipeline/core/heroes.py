"""`heroes.yaml`: for every scene the stills that show what it should look like, and who plays in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import gcd
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from film_pipeline.core.files import FilmFile
from film_pipeline.core.shot import Frame, Name
from film_pipeline.core.slate import SCENE_PATTERN, SHOT_PATTERN
from film_pipeline.core.units import FRAME_NUMBER

SUBJECT = "{SUBJ}"
"""In a slot's prompt it stands for the description of whoever is cast."""
_SPREAD = 7
_BRACES = re.compile(r"\{[^{}]*\}?|\}")


def _template(prompt: str) -> str:
    for found in _BRACES.findall(prompt):
        if found != SUBJECT:
            raise ValueError(f"{found!r} means nothing here: {SUBJECT} is the one thing that is filled in")
    return prompt


def _shot(name: str) -> str:
    if not SHOT_PATTERN.fullmatch(name):
        raise ValueError(f"{name!r} is no shot of a scene: write SH010, SH020, ...")
    return name


Words = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
SceneName = Annotated[str, StringConstraints(pattern=rf"^{SCENE_PATTERN.pattern}$")]


class HeroSlot(FilmFile):
    """A still of a scene: what is asked for, and the frame whose composition guides it."""

    label: str = Field(min_length=1, max_length=80, description="what people call it")
    prompt: Annotated[Words, AfterValidator(_template)] = Field(
        description="what is in the picture; {SUBJ} stands for whoever is cast"
    )
    shot: Annotated[str, AfterValidator(_shot)] = Field(
        description="which of the scene's shots: SH010, SH020 and so on"
    )
    frame: Frame | None = Field(
        default=None, description="the shot's first frame unless given", json_schema_extra=FRAME_NUMBER
    )
    cast: tuple[Name, ...] = Field(
        default=(), description="who may be cast; whoever of the shared cast plays in the shot unless given"
    )
    camera: str = Field(default="", description="the shared camera unless given")


class HeroScene(FilmFile):
    """The stills of one scene. The first is its hero; each of the others is made when somebody signs for its shot."""

    slots: tuple[HeroSlot, ...] = Field(min_length=1, description="the first is the scene's hero")

    @model_validator(mode="after")
    def _one_a_shot(self) -> "HeroScene":
        shots = [slot.shot for slot in self.slots]
        twice = sorted({shot for shot in shots if shots.count(shot) > 1})
        if twice:
            raise ValueError(
                f"two slots name {', '.join(twice)}: a still is signed for by its shot, so give each its own"
            )
        return self


class HeroFile(FilmFile):
    """What all heroes share, and the stills of each scene."""

    cast: dict[Name, Words] = Field(
        default_factory=dict, description="character -> who that is, in the words of a prompt; in the order of casting"
    )
    performance: str = Field(
        default="", description="performance tags: they follow the prompt of every slot that is cast"
    )
    camera: str = Field(default="", description="how they are photographed: it stands last")
    scenes: dict[SceneName, HeroScene] = Field(
        default_factory=dict, description="SC010 -> its stills", json_schema_extra={"additionalProperties": False}
    )

    def prompt_of(self, slot: HeroSlot, subject: str) -> str:
        """The still's prompt, the look left out: the slot's words, the performance tags, the camera.

        subject: who is cast; empty where nobody is, and nobody performs.
        """
        words = slot.prompt.replace(SUBJECT, self.cast[subject]) if subject else slot.prompt
        parts = (words, self.performance if subject else "", slot.camera or self.camera)
        return ", ".join(part.strip() for part in parts if part.strip())


@dataclass(frozen=True)
class Hero:
    """A still that can be made. shot: its full name. number: its slot's, from 1. frame: the exposure that guides it.

    subject: who is cast; empty where nobody is. prompt: complete but for the look.
    """

    scene: str
    number: int
    label: str
    shot: str
    frame: int
    subject: str
    prompt: str

    @property
    def leads(self) -> bool:
        """Whether it is its scene's hero."""
        return self.number == 1


def scene_number(scene: str) -> int:
    """The scene's number as a script counts: SC030 is 3, and SC035, put in later, is 35."""
    number = int(re.sub(r"\D", "", scene))
    return number if number % 10 else number // 10


def cast_for(scene: str, candidates: Sequence[str]) -> str:
    """Who of the candidates plays a scene's still: every seventh in turn, so that neighbouring scenes differ.

    Where the candidates' number shares a divisor with 7 the next step is taken that does not, or the turn would leave
    people out. The same scene and candidates give the same one, whatever scenes are added elsewhere.
    """
    step = next(step for step in count(_SPREAD) if gcd(step, len(candidates)) == 1)
    return candidates[scene_number(scene) * step % len(candidates)]
