"""The previz document: a composed shot as numbers, as the stage has it."""

import json
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree
from typing import Any, get_args

import numpy as np
import pytest
from film_makers import SAMPLE, NamedTextures, a_film, a_puppet, a_set, a_shot, composed
from glb_writer import Glb
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from film_pipeline.core.camera import aim_by_hand, placed_by_hand
from film_pipeline.core.composition import Composition
from film_pipeline.core.meshes import Array
from film_pipeline.core.previz import Previz, PrevizPuppet
from film_pipeline.core.previz_build import models_of, moved_between, previz_of
from film_pipeline.core.production import Production
from film_pipeline.core.puppet import Character
from film_pipeline.core.set_build import changed
from film_pipeline.core.set_pieces import build_piece
from film_pipeline.core.sets import PieceKind, SetDescription, SetPiece, read_set
from film_pipeline.core.shot import CameraSetup, PieceChange, Shot
from film_pipeline.departments.cameras import compose_shot, previz_of_shot
from film_pipeline.departments.film import Film
from film_pipeline.docs_of_files import DOCS

PRODUCTION = Production.model_validate({"name": "film", "title": "Film", "resolution": [640, 360]})
LAMP_ROOM = a_set(
    pieces=[
        {"name": "lamp", "kind": "lamp", "glow": 6},
        {"name": "door", "kind": "door", "at": [1, 2, 0]},
        {"name": "wall", "kind": "wall", "at": [0, -2, 0], "turn_deg": 180, "wild": True},
    ],
    marks={"here": {"at": [0.5, 0.25, 0], "facing": 30}},
    lights={"key": {"position": [2, -2, 3], "target": "lamp", "intensity": 200}},
)


def told(shot: Shot, set_: SetDescription = LAMP_ROOM, cast: Mapping[str, Character] | None = None) -> Previz:
    return previz_of(composed(shot, set_, cast), shot, set_, PRODUCTION)


def facing_to(place: tuple[float, float, float]) -> float:
    """Which way somebody in the middle faces who faces a place."""
    return float(np.degrees(np.arctan2(place[0], -place[1])))


def joints_of(puppet: PrevizPuppet, exposure: int) -> dict[str, Array]:
    """Where a viewer puts the joints: each one's transform after its parent's."""
    pose = puppet.poses[exposure]
    places: dict[str, Array] = {}
    for number, joint in enumerate(puppet.joints):
        local = np.eye(4)
        turn = Rotation.from_quat(pose.rotations[4 * number : 4 * number + 4]).as_matrix()
        local[:3, :3] = turn * pose.scales[3 * number : 3 * number + 3]
        local[:3, 3] = pose.translations[3 * number : 3 * number + 3]
        places[joint.name] = local if joint.parent is None else places[joint.parent] @ local
    return places


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Composition, Previz]]:
    """Every shot of the sample film and of the small one, composed and told."""
    root = copytree(SAMPLE, tmp_path_factory.mktemp("sample") / "film")
    small = a_film(tmp_path_factory.mktemp("small"))
    found = {}
    for folder in (root, small):
        with Film(folder) as film:
            for name, film_shot in film.shots.items():
                composition = compose_shot(film, film_shot, NamedTextures())
                found[f"{film.production.name} {name}"] = (composition, previz_of_shot(film, film_shot, composition))
    return found


def test_a_puppet_posed_by_the_document_has_its_joints_where_the_composition_has_them(
    sample: dict[str, tuple[Composition, Previz]],
) -> None:
    for composition, previz in sample.values():
        for number, frame in enumerate(composition.sheet.unique_frames):
            ours = composition.joints(frame)
            for puppet in previz.puppets:
                for joint, placed in joints_of(puppet, number).items():
                    assert np.linalg.norm(placed[:3, 3] - ours[puppet.name][joint]) < 1e-4, (frame, joint)


def test_a_puppet_whose_root_is_turned_by_a_key_is_turned_in_the_stage_too() -> None:
    shot = a_shot(cast=[{"character": "pim", "keys": [{"joints": {"root": [0, 0, 40]}}]}])
    composition = composed(shot)
    puppet = previz_of(composition, shot, a_set(), PRODUCTION).puppets[0]
    hands = joints_of(puppet, 0)["hand_left"][:3, 3], composition.joints(1001)["pim"]["hand_left"]
    assert np.linalg.norm(hands[0] - hands[1]) < 1e-4


def test_the_document_is_the_same_for_the_same_composition_and_is_read_back_as_it_was(
    sample: dict[str, tuple[Composition, Previz]],
) -> None:
    shot = a_shot(cast=[{"character": "pim"}])
    assert told(shot).model_dump_json() == told(shot).model_dump_json()
    for _, previz in sample.values():
        assert Previz.model_validate_json(previz.model_dump_json()) == previz
        assert len(previz.model_dump_json()) < 250_000


def test_the_published_schema_is_the_models_and_every_document_keeps_to_it(
    sample: dict[str, tuple[Composition, Previz]],
) -> None:
    schema = json.loads((DOCS / "schemas" / "previz.schema.json").read_text(encoding="utf-8"))
    for _, previz in sample.values():
        Draft202012Validator(schema).validate(json.loads(previz.model_dump_json()))
    with pytest.raises(ValidationError):
        Previz.model_validate({**json.loads(told(a_shot(cast=[{"character": "pim"}])).model_dump_json()), "version": 2})


def test_exposures_are_the_exposure_sheet_and_what_stands_still_is_told_once() -> None:
    shot = a_shot(length=12, cast=[{"character": "pim"}], exposure={"on": 2, "holds": [{"frame": 1003, "frames": 6}]})
    previz = told(shot)
    assert [(exposure.frame, exposure.held_frames) for exposure in previz.exposures] == [
        (1001, 2), (1003, 6), (1009, 2), (1011, 2),
    ]  # fmt: skip
    assert len(previz.puppets[0].poses) == 4
    assert len(previz.camera.matrices) == len(previz.lights[0].matrices) == len(previz.glow["lamp_bulb_surface"]) == 1
    zoom = CameraSetup.model_validate({"moves": [{"kind": "zoom", "amount": 9}]})
    moving = told(shot.model_copy(update={"camera": zoom}))
    assert len(moving.camera.lenses_mm) == 4
    assert len(moving.camera.matrices) == 1
    assert [(move.kind, move.first_frame, move.last_frame) for move in moving.camera.moves] == [("zoom", 1001, 1012)]


@pytest.mark.parametrize("kind", get_args(PieceKind))
def test_every_kind_of_piece_moves_as_one_wherever_a_shot_puts_it(kind: str) -> None:
    piece = SetPiece.model_validate({"name": "it", "kind": kind, "at": [1, 0.5, 0.2], "turn_deg": 10, "glow": 1})
    for change in ({"at": [-1, 2, 0]}, {"turn_deg": -75}, {"open_deg": 62}, {"at": [0, 0, 1], "turn_deg": 200}):
        for before, after in zip(
            build_piece(piece), build_piece(changed(piece, PieceChange.model_validate(change))), strict=True
        ):
            matrix = np.reshape(moved_between(before.mesh.points, after.mesh.points), (4, 4))
            carried = before.mesh.points @ matrix[:3, :3].T + matrix[:3, 3]
            assert np.abs(carried - after.mesh.points).max() < 1e-6


def test_a_change_of_shape_is_refused_rather_than_shown_wrongly() -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (20, 3))
    with pytest.raises(ValueError, match="do not move as one"):
        moved_between(points, points * 1.01)


def test_an_open_door_moves_its_leaf_and_not_its_casing() -> None:
    shot = a_shot(cast=[{"character": "pim"}], pieces={"door": {"open_deg": -60}})
    door = next(piece for piece in told(shot).set.pieces if piece.name == "door")
    assert door.changed
    leaf, casing = (np.reshape(door.meshes[f"door_{part}"] or np.eye(4), (4, 4)) for part in ("leaf", "casing"))
    np.testing.assert_allclose(casing, np.eye(4), atol=1e-8)
    assert np.degrees(Rotation.from_matrix(leaf[:3, :3]).magnitude()) == pytest.approx(60)
    assert all(
        matrix is None for piece in told(shot).set.pieces if piece.name != "door" for matrix in piece.meshes.values()
    )


def test_what_is_not_in_the_shot_says_why() -> None:
    shot = a_shot(
        cast=[{"character": "pim"}],
        pieces={"door": {"visible": False}},
        camera={"position": [0, -4, 1], "target": "pim"},
    )
    pieces = {piece.name: piece for piece in told(shot).set.pieces}
    assert (pieces["lamp"].shown, pieces["lamp"].why) == (True, "")
    assert (pieces["wall"].shown, pieces["wall"].why) == (False, "wild: the camera stands behind it")
    assert (pieces["door"].shown, pieces["door"].why) == (False, "the shot takes it out")


def test_a_glow_and_a_light_that_go_out_are_told_exposure_by_exposure() -> None:
    shot = a_shot(
        length=6,
        cast=[{"character": "pim"}],
        pieces={"lamp": {"glow": {1003: 0.5, 1005: 0}}},
        light={"key": {"levels": {1005: 0}}},
    )
    previz = told(shot)
    assert previz.glow["lamp_bulb_surface"] == (6.0, 3.0, 0.0)
    (key,) = previz.lights
    assert (key.kind, key.watts, key.size_m) == ("rect", (200.0, 200.0, 0.0), (0.5, 0.5))
    matrix = np.reshape(key.matrices[0], (4, 4))
    np.testing.assert_allclose(matrix[:3, 3], [2, -2, 3], atol=1e-6)
    away = np.array([0, 0, 0.2]) - matrix[:3, 3]
    assert -matrix[:3, 2] @ away / np.linalg.norm(away) > 0.99


def test_props_that_are_put_away_are_hidden_and_those_in_hand_are_not() -> None:
    pim = a_puppet(props=[{"kind": "lantern", "hand": "left", "glow": 8}, {"kind": "page"}])
    shot = a_shot(cast=[{"character": "pim", "props": ["page"]}])
    previz = told(shot, cast={"pim": pim})
    assert previz.puppets[0].hidden_meshes == ("pim_lantern", "pim_lantern_flame")
    assert "pim_lantern_flame_surface" not in previz.glow
    carried = told(a_shot(cast=[{"character": "pim", "props": ["lantern"]}]), cast={"pim": pim})
    assert carried.puppets[0].hidden_meshes == ("pim_page",)
    assert carried.glow["pim_lantern_flame_surface"] == (8.0,)


def test_spots_say_where_a_puppet_is_put_and_by_what() -> None:
    keys: list[dict[str, Any]] = [
        {"frame": 1001},
        {"frame": 1005, "at": [1, 0, 0], "ease": "linear"},
        {"frame": 1009, "at": "here"},
        {"frame": 1011, "facing": -90},
    ]
    spots = told(a_shot(cast=[{"character": "pim", "at": "here", "keys": keys}])).puppets[0].spots
    assert [spot.frame for spot in spots] == [None, 1001, 1005, 1009, 1011]
    assert [spot.at for spot in spots] == [(0.5, 0.25, 0), (0.5, 0.25, 0), (1, 0, 0), (0.5, 0.25, 0), (0.5, 0.25, 0)]
    assert [spot.facing_deg for spot in spots] == [30, 30, 30, 30, -90]
    assert [spot.says_at for spot in spots] == [True, False, True, True, False]
    assert [spot.mark for spot in spots] == ["here", None, None, "here", None]
    assert [spot.facing_of_mark for spot in spots] == [True, False, False, True, False]
    assert spots[2].ease == "linear"
    assert {spot.faces for spot in spots} == {None}
    faced = told(a_shot(cast=[{"character": "pim", "facing": "door"}])).puppets[0].spots[0]
    assert faced.faces is not None
    assert (faced.faces[0] > 0.5, faced.facing_deg) == (True, pytest.approx(facing_to(faced.faces)))
    plain = told(a_shot(cast=[{"character": "pim", "at": "here", "facing": 10}])).puppets[0].spots[0]
    assert (plain.facing_deg, plain.says_facing, plain.facing_of_mark) == (10, True, False)


number = st.floats(-40, 40, allow_nan=False)


@settings(max_examples=40)
@given(
    place=st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)), tilt=st.floats(-30, 30), roll=number, angle=number,
    lens=st.floats(12, 120),
)  # fmt: skip
def test_a_framed_camera_written_by_hand_stands_where_it_stood(
    place: tuple[float, float], tilt: float, roll: float, angle: float, lens: float
) -> None:
    setup = CameraSetup(place=place, tilt_deg=tilt, roll_deg=roll, angle_deg=angle, lens_mm=lens)
    shot = a_shot(length=1, cast=[{"character": "pim"}], camera=setup)
    camera = composed(shot).cameras[1001]
    position, target = aim_by_hand(camera, setup)
    by_hand = placed_by_hand(setup.model_copy(update={"position": tuple(position)}), target, 16 / 9)
    np.testing.assert_allclose(by_hand.matrix, camera.matrix, atol=1e-9)


def test_the_camera_says_how_it_is_written() -> None:
    framed = told(a_shot(cast=[{"character": "pim"}])).camera
    assert (framed.framed, framed.says_target, framed.target_name) == (True, False, None)
    by_hand = told(a_shot(cast=[{"character": "pim"}], camera={"position": [0, -3, 1], "target": "pim"}))
    camera = by_hand.camera
    assert (camera.framed, camera.says_target, camera.target_name) == (False, True, "pim")
    assert camera.position == (0, -3, 1)
    assert camera.target[2] == pytest.approx(joints_of(by_hand.puppets[0], 0)["eye_left"][2, 3], abs=1e-5)
    at_once = {"moves": [{"kind": "pan", "amount": 5, "to_frame": 1001}]}
    assert told(a_shot(cast=[{"character": "pim"}], camera=at_once)).camera.begins_moved
    assert not framed.begins_moved


def test_the_models_are_named_as_set_characters_turns_them_over() -> None:
    assert models_of(told(a_shot(cast=[{"character": "pim"}]))) == {"room": "set_room_glb", "pim": "puppet_pim_glb"}


def test_things_of_a_sets_model_are_pieces_that_can_be_out(tmp_path: Path) -> None:
    home = tmp_path / "room"
    home.mkdir()
    glb = Glb()
    mesh = glb.triangle()
    for name in ("Oak Table", "lamp"):
        glb.add("nodes", name=name, mesh=mesh)
    glb.write(home / "room.glb")
    (home / "set.yaml").write_text("name: Room\nmodel: room.glb\n")
    shot = a_shot(cast=[{"character": "pim"}], pieces={"lamp": {"visible": False}})
    pieces = told(shot, read_set(home)).set.pieces
    assert [(piece.name, piece.kind, piece.shown) for piece in pieces] == [
        ("Oak_Table", "thing", True),
        ("lamp", "thing", False),
    ]
    assert all(len(piece.meshes) == 1 and None in piece.meshes.values() for piece in pieces)
