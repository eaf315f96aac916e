"""A first shot list from the script alone: shots, blocking, acting and timing for a scene that has no shots yet.

The people of a scene stand in a row along the set's x axis, in the order in which they appear, and the camera stays on
the -y side of that row: whoever is on the left of one shot is on the left of all (the 180-degree rule).
"""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from film_pipeline.core.acting import Act, mood_in
from film_pipeline.core.beats import Beat, beats_of, spoken_seconds
from film_pipeline.core.coverage import Setup, cover, entrances
from film_pipeline.core.exposing import Performance, holds_of
from film_pipeline.core.screenplay import Scene, Screenplay, name_key
from film_pipeline.core.shot import CameraMove, CameraSetup, ExposurePlan, Line, SceneFile, Shot, Size, Vector
from film_pipeline.core.slugs import marked_slug, slug, slugs_of
from film_pipeline.core.timing import FIRST_FRAME, Rate

_APART_M = 1.2
_CHEAT_DEG = 60.0
"""How far somebody on the left turns from the camera to the middle, so that faces are seen while people talk."""
_WINGS_M = 2.2
_LENS_MM: dict[Size, float] = {"wide": 24, "full": 28, "medium wide": 32, "medium": 40, "medium close-up": 50}
_LONG_LENS_MM = 65.0
_CAMERA_SIDE_DEG: dict[Size, float] = {"medium": 62, "medium close-up": 36, "close-up": 28}


@dataclass(frozen=True)
class Needed:
    """A puppet or a set that a script asks for. name: its folder; title: as the script writes it."""

    name: str
    title: str
    scenes: tuple[str, ...]
    lines: int = 0
    setting: str = ""


def needed_characters(screenplay: Screenplay) -> tuple[Needed, ...]:
    """A puppet for everybody who is seen, in order of appearance; no two of one name. Voices alone need none."""
    seen = [
        name for name in screenplay.people if any(name_key(name) in _keys(scene.present) for scene in screenplay.scenes)
    ]
    names = slugs_of(name_key(name) for name in seen)
    return tuple(
        Needed(
            names[name_key(name)],
            name,
            tuple(scene.id for scene in screenplay.scenes if name_key(name) in _keys(scene.present)),
            lines=sum(
                name_key(line.character) == name_key(name) for scene in screenplay.scenes for line in scene.dialogue
            ),
        )
        for name in seen
    )


def needed_sets(screenplay: Screenplay) -> tuple[Needed, ...]:
    """A set for every place, in order of appearance; a place that is seen from inside and outside is two."""
    settings: dict[str, list[str]] = {}
    for scene in screenplay.scenes:
        settings.setdefault(_place(scene), []).append(scene.setting)
    names = slugs_of(settings)
    found: dict[str, Needed] = {}
    for scene in screenplay.scenes:
        place = _place(scene)
        outside = scene.setting == "EXT" and any(setting != "EXT" for setting in settings[place])
        name = f"{names[place]}_exterior" if outside else names[place]
        before = found.get(name)
        scenes = (*before.scenes, scene.id) if before else (scene.id,)
        found[name] = Needed(
            name, before.title if before else scene.location or scene.heading, scenes, setting=scene.setting
        )
    return tuple(found.values())


def propose_shots(scene: Scene, characters: Sequence[str], sets: Sequence[str], rate: Rate) -> SceneFile:
    """The shots of a scene, from the script alone.

    characters, sets: the names of the film's puppets and sets. People without a puppet are heard but not cast, and the
    first shot's notes name them.
    """
    puppets = _puppets(scene, characters)
    stage = _Stage(scene, puppets, rate)
    setups = cover(scene)
    missing = [name for name in scene.present if name not in puppets]
    shots = [
        _shot(setup, f"SH{10 * place:03d}", stage, missing if place == 1 else [], is_first=place == 1)
        for place, setup in enumerate(setups, start=1)
    ]
    shots[0] = shots[0].model_copy(update={"transition": "fade in"}) if _fades(scene, first=True) else shots[0]
    shots[-1] = shots[-1].model_copy(update={"transition": "fade out"}) if _fades(scene, first=False) else shots[-1]
    return SceneFile(scene=scene.id, set=_set_name(scene, sets), shots=tuple(shots))


def _fades(scene: Scene, first: bool) -> bool:
    """Whether the scene is written to fade in at its beginning, or to fade out at its end."""
    played = [element for element in scene.elements if element.kind not in ("note", "section", "synopsis")]
    if not played or played[0 if first else -1].kind != "transition":
        return False
    return played[0 if first else -1].text.upper().startswith("FADE IN" if first else ("FADE OUT", "FADE TO"))


def _keys(names: Iterable[str]) -> set[str]:
    return {name_key(name) for name in names}


def _place(scene: Scene) -> str:
    return name_key(scene.location or scene.heading)


def _puppets(scene: Scene, characters: Sequence[str]) -> dict[str, str]:
    """The puppet of everybody in the scene who has one."""
    found: dict[str, str] = {}
    for name in (*scene.present, *scene.speakers):
        for candidate in (marked_slug(name_key(name)), slug(name_key(name))):
            if candidate in characters and candidate not in found.values() and name not in found:
                found[name] = candidate
    return found


def _set_name(scene: Scene, sets: Sequence[str]) -> str:
    """The set of this name, else the one whose name is in the heading, else the name that the set should have."""
    place = _place(scene)
    plain = slug(place)
    outside = [f"{plain}_exterior"] if scene.setting == "EXT" else []
    for candidate in (*outside, marked_slug(place), plain):
        if candidate in sets:
            return candidate
    words = plain.split("_")
    near = {
        name: max(SequenceMatcher(None, part, word).ratio() for part in slug(name).split("_") for word in words)
        for name in sets
    }
    best = max(near, key=lambda name: near[name], default="")
    return best if best and near[best] >= 0.7 else plain


class _Stage:
    """Where everybody of the scene stands and what they last did, from shot to shot."""

    def __init__(self, scene: Scene, puppets: dict[str, str], rate: Rate) -> None:
        self.rate = rate
        self.puppets = puppets
        self.people = [name for name in scene.present if name in puppets]
        beats = beats_of(scene)
        self.away = {name for name in entrances(beats) if name in self.people}
        count = len(self.people)
        middle = (count - 1) / 2
        self.marks: dict[str, Vector] = {
            name: (round((place - middle) * _APART_M, 2), round(0.15 * min(place, count - 1 - place), 2), 0.0)
            for place, name in enumerate(self.people)
        }
        self.facings = {name: self._inward(name, count) for name in self.people}
        self.poses = {name: _at_first(name, beats) for name in self.people}
        self.sits = {name: self.poses[name] in ("sit", "sit_write") for name in self.people}

    def _inward(self, name: str, count: int) -> float:
        x = self.marks[name][0]
        if count == 1 or x == 0:
            return 20.0 if count == 1 else 0.0
        return _CHEAT_DEG if x < 0 else -_CHEAT_DEG

    def wing(self, name: str) -> Vector:
        """Just out of the picture, on the person's own side."""
        x, y, z = self.marks[name]
        return (round(x + (_WINGS_M if x > 0 else -_WINGS_M), 2), y, z)

    def on_stage(self) -> list[str]:
        return [name for name in self.people if name not in self.away]

    def even(self, seconds: float) -> int:
        """Frames nearest to that many seconds, as whole exposures on twos."""
        return max(2, round(self.rate.frames(seconds) / 2) * 2)


_ONGOING = frozenset(str.split("sit sit_write stand read think look_down arms_crossed hands_on_hips"))
_MOMENTARY = frozenset(str.split("hold_out reach point knock wave recoil shrug bow"))
"""What nobody goes on doing for long."""
_LOW = frozenset({"sit_write", "bow", "look_down"})
_TIGHT: frozenset[Size] = frozenset({"medium", "medium close-up", "close-up", "extreme close-up"})


def _at_first(name: str, beats: Sequence[Beat]) -> str:
    """What somebody is found doing when the scene begins: the first thing they do, if one can be found doing it."""
    first = next((act for beat in beats for person, act in beat.doings if person == name), None)
    return first.pose if first and first.pose in _ONGOING and not first.enters else "neutral"


def _shot(setup: Setup, shot_id: str, stage: _Stage, missing: Sequence[str], is_first: bool) -> Shot:
    entering = [name for beat in setup.beats for name, act in beat.doings if name in stage.away and act.enters]
    subject = setup.subject if setup.subject in stage.people else ""
    if subject in stage.away and subject not in entering:
        subject = next(iter(stage.on_stage()), "")
    in_picture = [*stage.on_stage(), *dict.fromkeys(entering)] if setup.everyone or not subject else [subject]
    if setup.size in _TIGHT and _apart(stage, in_picture):
        in_picture = [subject] if subject else in_picture
    players = {name: _player(name, stage, in_picture, setup) for name in stage.people if name in in_picture}
    _straighten(setup, players)
    lines, frame = _play(setup.beats, players, stage)
    length = max(frame - FIRST_FRAME, stage.even(setup.least_seconds))
    last_frame = FIRST_FRAME + length - 1
    for player in players.values():
        player.blink_when_still(last_frame, stage.even(2.8))
    for name, player in players.items():
        acted = any(person == name for beat in setup.beats for person, _ in beat.doings)
        relaxes = player.pose in _MOMENTARY and not acted and setup.size != "insert"
        stage.poses[name], stage.sits[name] = "neutral" if relaxes else player.pose, player.sits
    cast = tuple(player.member(last_frame) for player in players.values())
    framed = _framed(setup, subject, players)
    camera = _camera(setup, framed, players, is_first and length > stage.even(4.0), stage)
    holds = () if camera.moves else holds_of(cast, last_frame)
    return Shot(
        id=shot_id,
        length=length,
        size="wide" if framed and players[framed[0]].comes_from_afar and setup.size == "full" else setup.size,
        subject=None
        if not framed
        else stage.puppets[framed[0]]
        if len(framed) == 1
        else tuple(stage.puppets[name] for name in framed),
        action=_action(setup),
        dialogue=tuple(lines),
        exposure=ExposurePlan(on=2, holds=holds) if holds else None,
        cast=cast,
        camera=camera,
        notes=f"Without a puppet: {', '.join(missing)}." if missing else "",
    )


def _straighten(setup: Setup, players: dict[str, Performance]) -> None:
    """Whoever will get up, or raise the head in a close shot, has done so at the cut, or would leave the picture."""
    for name, player in players.items():
        acts = [act for beat in setup.beats for person, act in beat.doings if person == name and act.pose != "neutral"]
        if not acts:
            continue
        if acts[0].steps and player.sits:
            player.begin_as("neutral", standing=True)
        elif setup.size in _TIGHT and player.pose in _LOW and acts[0].pose not in _LOW and not acts[0].steps:
            player.begin_as(acts[0].pose)


def _way_of(name: str, act: Act, stage: _Stage) -> Vector:
    """Where somebody walks to: out into the wings, in to their mark, else up stage and back, keeping their side."""
    if act.leaves:
        return stage.wing(name)
    if name not in stage.away and act.pose == "walk":
        x, y, z = stage.marks[name]
        stage.marks[name] = (x, round(y - 0.8, 2) if y >= 0.8 else round(y + 0.8, 2), z)
    return stage.marks[name]


def _framed(setup: Setup, subject: str, players: dict[str, Performance]) -> tuple[str, ...]:
    """Whom the framing is about: the subject, and where it enters to somebody, that person before it."""
    if not subject:
        return ()
    if setup.size == "wide" and len(players) > 2:
        return tuple(players)
    standing = [name for name, player in players.items() if name != subject and not player.comes_from_afar]
    return (standing[0], subject) if players[subject].comes_from_afar and standing else (subject,)


def _apart(stage: _Stage, people: Sequence[str]) -> bool:
    """Whether somebody has walked out of the row, where an over-the-shoulder shot would see the other's back."""
    depths = [stage.marks[name][1] for name in people]
    return bool(depths) and max(depths) - min(depths) > 0.5


def _action(setup: Setup) -> str:
    told = [setup.called, *(beat.text for beat in setup.beats if beat.kind == "action")]
    return " ".join(part for part in told if part)


def _player(name: str, stage: _Stage, in_picture: Sequence[str], setup: Setup) -> Performance:
    enters = name in stage.away
    others = [other for other in in_picture if other != name]
    speaker = next((beat.speaker for beat in setup.beats if beat.speaker in others), others[0] if others else "")
    facing = stage.facings[name]
    if enters:
        facing = 90.0 if stage.wing(name)[0] < stage.marks[name][0] else -90.0
    player = Performance(
        stage.puppets[name],
        stage.wing(name) if enters else stage.marks[name],
        facing,
        stage.poses[name],
        sits=stage.sits[name],
        enters=enters,
    )
    if speaker and not enters and speaker not in stage.away:
        player.turn(stage.facings[name], stage.puppets[speaker])
    return player


def _play(beats: Sequence[Beat], players: dict[str, Performance], stage: _Stage) -> tuple[list[Line], int]:
    """Act the beats out one after another. Returns the lines, and the frame after the last beat."""
    lines: list[Line] = []
    frame = FIRST_FRAME
    began = frame
    for beat in beats:
        start = began if beat.dual else frame
        length = stage.even(beat.seconds)
        began = start
        if beat.kind == "speech":
            lines.append(_speak(beat, start, players, stage))
        else:
            _act(beat, start, length, players, stage)
        frame = max(frame, start + length)
    return lines, frame


def _speak(beat: Beat, start: int, players: dict[str, Performance], stage: _Stage) -> Line:
    first = start + stage.even(0.25)
    player = None if beat.away else players.get(beat.speaker)
    if player is not None:
        change = stage.even(0.25)
        acted = [act.pose for _, act in beat.doings if not act.steps and act.pose != "neutral"]
        pose = acted[-1] if acted else "neutral" if player.pose == "listen" else None
        player.change(start, change, pose, beat.mood)
        player.speak(first, first + stage.even(spoken_seconds(beat.text)), every=stage.even(1 / 6))
    for name, other in players.items():
        if name != beat.speaker and other.pose == "neutral" and not beat.dual:
            other.change(start, stage.even(0.4), "listen")
    name = stage.puppets.get(beat.speaker) or slug(name_key(beat.speaker))
    return Line(character=name, text=beat.text, frame=first)


def _act(beat: Beat, start: int, length: int, players: dict[str, Performance], stage: _Stage) -> None:
    """Share the beat's frames out among what is done in it, in order."""
    doings = [(name, act) for name, act in beat.doings if name in players]
    if not doings:
        return
    share = max(4, length // len(doings) // 2 * 2)
    change = min(share, stage.even(0.45))
    for place, (name, act) in enumerate(doings):
        player, frame = players[name], start + place * share
        if act.steps:
            to = _way_of(name, act, stage)
            if act.leaves:
                stage.away.add(name)
            else:
                stage.away.discard(name)
            player.stride(frame, frame + share - 2, act, to, stage.facings[name], stage.even(1 / 3))
        else:
            player.change(frame, change, act.pose if act.pose != "neutral" else None, mood_in(beat.text))


def _camera(
    setup: Setup, framed: Sequence[str], players: dict[str, Performance], pushes_in: bool, stage: _Stage
) -> CameraSetup:
    """Where the camera stands: always on the -y side, whichever way the subject faces."""
    subject, shares = (framed[0], len(framed) > 1) if framed else ("", False)
    lens_mm = _LENS_MM.get(setup.size, _LONG_LENS_MM)
    moves = (CameraMove(kind="push_in", amount=0.4),) if pushes_in else ()
    if not subject:
        middle = sum(stage.marks[name][0] for name in players) / len(players) if players else 0.0
        near = 2.5 if setup.size in ("insert", "close-up", "extreme close-up") else 6.0
        return CameraSetup(lens_mm=lens_mm, position=(middle, -near, 1.6), target=(middle, 0.0, 1.1), moves=moves)
    x, y, _ = stage.marks[subject]
    side = 0.0 if x == 0 else math.copysign(1.0, -x)
    player = players[subject]
    if setup.size == "insert":
        return _on_the_hands((x, y), player, side)
    seen_from = 0.0 if len(stage.people) == 1 else side * _CAMERA_SIDE_DEG.get(setup.size, 0.0)
    angle = round(seen_from - player.first_facing, 1)
    place = (0.5, 0.5)
    if player.comes_from_afar:
        # The framing is taken at the first frame, when whoever enters stands in the wings: leave room for the way.
        place = (0.18 if player.first_place[0] < x else 0.82, 0.5)
    elif setup.everyone and len(players) > 1 and side and not shares:
        # The subject of a shot of several stands where it stands on stage: left of the middle or right of it.
        place = (0.5 - 0.14 * side, 0.5)
    return CameraSetup(lens_mm=lens_mm, angle_deg=angle, place=place, moves=moves)


def _on_the_hands(mark: tuple[float, float], player: Performance, side: float) -> CameraSetup:
    """A camera looking down at what the hands of somebody of usual height have to do with."""
    facing = math.radians(player.first_facing)
    stretched = player.pose in ("hold_out", "reach", "point", "knock")
    hands_m = 0.75 if player.sits else 1.15 if stretched else 1.0
    reach_m = 0.5 if stretched else 0.3
    x, y = mark[0] + reach_m * math.sin(facing), mark[1] - reach_m * math.cos(facing)
    seen_from = math.radians(side * 30.0)
    position = (
        round(x + 1.5 * math.sin(seen_from), 2),
        round(y - 1.5 * math.cos(seen_from), 2),
        round(hands_m + 0.55, 2),
    )
    return CameraSetup(lens_mm=40.0, position=position, target=(round(x, 2), round(y, 2), hands_m))


def breakdown_yaml(scene_file: SceneFile, comment: str) -> str:
    """The scene file as tidy YAML that reads back equal. comment: stands above it, line by line."""
    document = CommentedMap(_told(scene_file.model_dump(mode="json", exclude_defaults=True)))
    document["shots"] = CommentedSeq([_shot_yaml(shot) for shot in scene_file.shots])
    for place in range(1, len(scene_file.shots)):
        document["shots"].yaml_set_comment_before_after_key(place, before="\n")
    writer = YAML(typ="rt")
    writer.width = 110
    writer.indent(mapping=2, sequence=4, offset=2)
    written = io.StringIO()
    writer.dump(document, written)
    above = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return above + "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def _shot_yaml(shot: Shot) -> CommentedMap:
    told = _told(shot.model_dump(mode="json", exclude_defaults=True))
    for name in ("dialogue", "cast"):
        if name in told:
            told[name] = CommentedSeq(told[name])
    for member, written in zip(shot.cast, told.get("cast", ()), strict=True):
        written["keys"] = CommentedSeq(
            _flow({"frame": key.frame, "pose": key.pose, **key.model_dump(mode="json", exclude_defaults=True)})
            for key in member.keys
        )
    if "exposure" in told and shot.exposure is not None:
        holds = CommentedSeq(_flow(hold.model_dump(mode="json")) for hold in shot.exposure.holds)
        told["exposure"] = CommentedMap({"on": shot.exposure.on, "holds": holds})
    return told


def _told(values: dict[str, Any]) -> CommentedMap:
    """Maps as they are; lists of plain values on one line."""
    told = CommentedMap()
    for name, value in values.items():
        told[name] = _value(value)
    return told


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return _told(value)
    if isinstance(value, list):
        plain = all(not isinstance(item, dict | list) for item in value)
        items = CommentedSeq(_value(item) for item in value)
        if plain:
            items.fa.set_flow_style()
        return items
    return value


def _flow(values: dict[str, Any]) -> CommentedMap:
    told = _told(values)
    told.fa.set_flow_style()
    return told
