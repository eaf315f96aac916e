"""The cut: which frames of which shot follow each other. Frames and a rational rate, never seconds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production
from film_pipeline.core.shot import Shot
from film_pipeline.core.timing import FrameRange, Rate


@dataclass(frozen=True)
class Marker:
    """A note at a frame of the shot."""

    frame: int
    name: str
    color: str = "RED"


@dataclass(frozen=True)
class Clip:
    """A shot in the cut: the frames that play, and those that there are, both in shot frame numbers."""

    shot: str
    source: FrameRange
    available: FrameRange
    take: str = ""
    fade_in: int = 0
    fade_out: int = 0
    markers: tuple[Marker, ...] = ()

    def level(self, frame: int) -> float:
        """How bright a frame plays: 1, less within the clip's fades."""
        level = 1.0
        if self.fade_in:
            level = min(level, (frame - self.source.first_frame + 0.5) / self.fade_in)
        if self.fade_out:
            level = min(level, (self.source.last_frame - frame + 0.5) / self.fade_out)
        return max(0.0, min(1.0, level))


@dataclass(frozen=True)
class Cut:
    """Clips one after another, at a rate."""

    title: str
    rate: Rate
    clips: tuple[Clip, ...]
    resolution: tuple[int, int]

    @property
    def length(self) -> int:
        """Frames from the first to the last."""
        return sum(len(clip.source) for clip in self.clips)

    def frames(self) -> Iterator[tuple[int, Clip, int]]:
        """Every frame of the cut: its place counted from 0, its clip, and the shot's frame."""
        place = 0
        for clip in self.clips:
            for frame in clip.source:
                yield place, clip, frame
                place += 1

    def place_of(self, shot: str, frame: int) -> int | None:
        """Where a shot's frame plays, counted from 0; None where the cut does not show it."""
        place = 0
        for clip in self.clips:
            if clip.shot == shot and frame in clip.source:
                return place + frame - clip.source.first_frame
            place += len(clip.source)
        return None

    def start_of(self, shot: str) -> int | None:
        """Where a shot's first frame would play if its head were not trimmed; None where the cut has no such shot."""
        place = 0
        for clip in self.clips:
            if clip.shot == shot:
                return place - (clip.source.first_frame - clip.available.first_frame)
            place += len(clip.source)
        return None


FADE_FRAMES = 16


def assemble(production: Production, shots: Mapping[str, Shot], takes: Mapping[str, str] | None = None) -> Cut:
    """The first assembly: every shot in the order of the film, less its handles."""
    clips = []
    for name, shot in shots.items():
        handles = production.handles
        if len(shot.frames) <= 2 * handles:
            raise FilmProblem(
                f"the shot is {len(shot.frames)} frames long and its handles alone take {2 * handles}",
                "lengthen the shot, or lower `handles` in production.yaml",
                shot=name,
            )
        clips.append(
            Clip(
                shot=name,
                source=FrameRange(shot.frames.first_frame + handles, shot.frames.last_frame - handles),
                available=shot.frames,
                take=(takes or {}).get(name, ""),
                fade_in=FADE_FRAMES if shot.transition == "fade in" else 0,
                fade_out=FADE_FRAMES if shot.transition == "fade out" else 0,
                markers=tuple(Marker(line.frame, f"{line.character}: {line.text}") for line in shot.dialogue),
            )
        )
    return Cut(production.title, production.rate, tuple(clips), production.resolution)


def recut(first: Cut, wanted: Sequence[tuple[str, int, int]]) -> Cut:
    """The assembly with the order and trims of an edit: (shot, first frame, last frame) for each clip.

    Raises FilmProblem for a shot that the film does not have and for frames that were never shot.
    """
    clips = {clip.shot: clip for clip in first.clips}
    new = []
    for number, (shot, first_frame, last_frame) in enumerate(wanted, 1):
        if shot not in clips:
            raise FilmProblem(
                f"event {number} is of {shot!r}, which the film does not have", f"its shots are {', '.join(clips)}"
            )
        clip = clips[shot]
        if last_frame < first_frame:
            raise FilmProblem(
                f"event {number} runs backwards ({first_frame} to {last_frame})",
                "reverse motion is not supported",
                shot=shot,
            )
        if first_frame not in clip.available or last_frame not in clip.available:
            raise FilmProblem(
                f"event {number} plays {first_frame} to {last_frame}, and the shot has {clip.available}",
                "trim it inside the frames that there are, or lengthen the shot",
                shot=shot,
            )
        new.append(replace(clip, source=FrameRange(first_frame, last_frame)))
    if not new:
        raise FilmProblem("the edit has no clips", "export the edited timeline again")
    return replace(first, clips=tuple(new))
