"""The camera: what a framing must show, what each move does, and where points fall on the frame."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from film_makers import a_puppet, a_set, a_shot
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pxr import Gf

from film_pipeline.core.blocking import Blocking
from film_pipeline.core.camera import (
    CameraFrame,
    Subject,
    aperture,
    frame_subjects,
    look_at,
    moved,
    placed_by_hand,
    project,
)
from film_pipeline.core.meshes import Array
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.shot import CameraMove, CameraSetup
from film_pipeline.core.timing import FrameRange

WIDTH, HEIGHT = 1280, 720
# What an operator expects to see of somebody, by the size of the shot: the highest and the lowest mark.
SHOWS = {
    "extreme wide": ("crown", "floor"),
    "wide": ("crown", "floor"),
    "full": ("crown", "floor"),
    "medium wide": ("crown", "knees"),
    "medium": ("crown", "waist"),
    "medium close-up": ("crown", "chest"),
    "close-up": ("crown", "neck"),
    "extreme close-up": ("eyes", "chin"),
}
SIZES = st.sampled_from(sorted(SHOWS))
PLACES = st.tuples(st.floats(-20, 20), st.floats(-20, 20), st.floats(-3, 3))
LENSES = st.floats(24, 100)
MOVES = (
    "push_in",
    "pull_out",
    "track_left",
    "track_right",
    "crane_up",
    "crane_down",
    "pan",
    "tilt",
    "roll",
    "orbit",
    "zoom",
)


def somebody(name: str = "pim", **cast: Any) -> Subject:
    """A puppet as the camera sees it. cast: how it is cast, and `height_m` and `pose`."""
    height, pose = cast.pop("height_m", 1.7), cast.pop("pose", "stand")
    shot = a_shot(cast=[{"character": name, "keys": [{"pose": pose}], **cast}])
    return Blocking(shot, a_set(), {name: a_puppet(name, height_m=height)}, [1001]).subject(name, 1001)


def a_door(at: tuple[float, float, float] = (0, 0, 0), turn: float = 0) -> Subject:
    set_ = a_set(pieces=[{"name": "door", "kind": "door", "at": at, "turn_deg": turn}])
    return Blocking(a_shot(), set_, {}, [1001]).subject("door", 1001)


def seen(camera: CameraFrame, *points: Array, aspect: float = WIDTH / HEIGHT) -> Array:
    """Where points fall, as shares of the frame from the left and from the top."""
    return project(np.array(points), camera, 1, 1)


def by_gf(camera: CameraFrame, points: Array) -> Array:
    """The same by USD's own camera: a frustum and its matrices, in pixels from the top left."""
    lens = Gf.Camera(
        transform=Gf.Matrix4d(*[float(value) for value in camera.matrix.T.reshape(-1)]),
        horizontalAperture=camera.aperture_w_mm,
        verticalAperture=camera.aperture_h_mm,
        focalLength=camera.lens_mm,
    ).frustum
    to_frame = lens.ComputeViewMatrix() * lens.ComputeProjectionMatrix()
    on_frame = np.array([list(to_frame.Transform(Gf.Vec3d(*map(float, point)))) for point in points])
    return np.column_stack([(on_frame[:, 0] + 1) / 2 * WIDTH, (1 - on_frame[:, 1]) / 2 * HEIGHT])


@given(SIZES, PLACES, st.floats(-180, 180), st.floats(0.4, 2.5), LENSES, st.floats(-80, 80), st.floats(1.33, 2.4))
@settings(deadline=None, max_examples=200)
def test_a_framing_shows_what_its_size_asks_wherever_and_however_tall_somebody_is(
    size: str, at: tuple[float, ...], facing: float, height: float, lens: float, angle: float, aspect: float
) -> None:
    subject = somebody(at=at, facing=facing, height_m=height)
    camera = frame_subjects(CameraSetup(lens_mm=lens, angle_deg=angle), size, [subject], aspect)
    top, bottom = SHOWS[size]
    for mark in (top, bottom, "eyes"):
        across, down = seen(camera, subject.landmarks[mark])[0]
        assert 0 <= down <= 1, f"{mark} is at {down:.2f} of the height"
        assert 0 <= across <= 1


@given(st.sampled_from(["sit", "bow", "reach", "climb_a"]), st.floats(-180, 180), st.floats(0.4, 2.5), LENSES)
@settings(deadline=None, max_examples=50)
def test_a_medium_close_up_of_somebody_who_bends_or_sits_still_shows_crown_and_chest(
    pose: str, facing: float, height: float, lens: float
) -> None:
    subject = somebody(at=(3, -4, 1), facing=facing, height_m=height, pose=pose)
    camera = frame_subjects(CameraSetup(lens_mm=lens), "medium close-up", [subject], WIDTH / HEIGHT)
    for mark in ("crown", "chest", "eyes"):
        assert np.all(np.abs(seen(camera, subject.landmarks[mark]) - 0.5) <= 0.5)


@given(SIZES, st.floats(0.4, 2.5), LENSES, st.floats(0.1, 2.5))
@settings(deadline=None, max_examples=50)
def test_from_a_low_or_a_high_lens_the_framing_still_shows_what_its_size_asks(
    size: str, height: float, lens: float, lens_height: float
) -> None:
    subject = somebody(height_m=height)
    camera = frame_subjects(CameraSetup(lens_mm=lens, height_m=lens_height), size, [subject], WIDTH / HEIGHT)
    for mark in (*SHOWS[size], "eyes"):
        assert np.all(np.abs(seen(camera, subject.landmarks[mark]) - 0.5) <= 0.5)


def test_the_closer_the_size_the_closer_the_camera_and_the_larger_the_head() -> None:
    subject, heads = somebody(), []
    for size in SHOWS:
        camera = frame_subjects(CameraSetup(), size, [subject], WIDTH / HEIGHT)
        crown, chin = seen(camera, subject.landmarks["crown"], subject.landmarks["chin"])
        heads.append(chin[1] - crown[1])
    assert heads == sorted(heads)
    assert len(set(heads)) == len(heads)


@given(
    st.sampled_from(["wide", "full", "medium wide", "medium", "medium close-up"]),
    st.floats(0.6, 4),
    st.floats(-180, 180),
    st.floats(0.8, 2),
    st.floats(0.8, 2),
    LENSES,
    st.floats(-40, 40),
)
@settings(deadline=None)
def test_two_subjects_both_lie_in_the_frame(
    size: str, apart: float, way: float, one: float, other: float, lens: float, angle: float
) -> None:
    beside = (apart * np.cos(np.radians(way)), apart * np.sin(np.radians(way)), 0.0)
    pair = [somebody("pim", height_m=one), somebody("odile", height_m=other, at=beside, facing=30)]
    camera = frame_subjects(CameraSetup(lens_mm=lens, angle_deg=angle), size, pair, WIDTH / HEIGHT)
    # One who stands behind the lens, or so near that he fills it, is no matter of framing.
    assume(all((subject.landmarks["eyes"] - camera.position) @ camera.forward > 0.5 for subject in pair))
    for subject in pair:
        for mark in ("crown", "eyes", "chin"):
            across, down = seen(camera, subject.landmarks[mark])[0]
            assert 0 <= across <= 1 and 0 <= down <= 1, f"{subject.name}'s {mark} is at {across:.2f}, {down:.2f}"


@given(PLACES, st.floats(-180, 180), LENSES, st.floats(-60, 60), st.floats(0.2, 3))
@settings(deadline=None, max_examples=50)
def test_an_insert_of_a_piece_shows_all_of_it(
    at: tuple[float, float, float], turn: float, lens: float, angle: float, height: float
) -> None:
    door = a_door(at, turn)
    camera = frame_subjects(
        CameraSetup(lens_mm=lens, angle_deg=angle, height_m=at[2] + height), "insert", [door], WIDTH / HEIGHT
    )
    middle = door.landmarks["eyes"]
    for mark in (door.landmarks["crown"], door.landmarks["floor"], middle):
        assert np.all(np.abs(seen(camera, mark) - 0.5) <= 0.5)
    facing = np.array([np.sin(np.radians(turn)), -np.cos(np.radians(turn)), 0])
    assert (camera.position - middle) @ facing > 0


@given(PLACES, st.floats(-180, 180), st.floats(-170, 170))
@settings(deadline=None, max_examples=50)
def test_the_angle_is_counted_around_the_subject_from_before_its_face(
    at: tuple[float, ...], facing: float, angle: float
) -> None:
    subject = somebody(at=at, facing=facing)
    camera = frame_subjects(CameraSetup(angle_deg=angle), "medium", [subject], WIDTH / HEIGHT)
    way = camera.position - subject.landmarks["eyes"]
    heading = np.degrees(np.arctan2(way[0], -way[1])) - facing
    assert (heading - angle + 180) % 360 - 180 == pytest.approx(0, abs=4)


def test_the_lens_is_as_high_as_the_eyes_unless_its_height_is_given() -> None:
    subject = somebody(at=(1, 1, 2), height_m=1.2)
    plain = frame_subjects(CameraSetup(), "medium", [subject], WIDTH / HEIGHT)
    assert plain.position[2] == pytest.approx(subject.landmarks["eyes"][2])
    low = frame_subjects(CameraSetup(height_m=0.3), "medium", [subject], WIDTH / HEIGHT)
    assert low.position[2] == pytest.approx(0.3)


@settings(deadline=None)
@given(st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)), PLACES, PLACES, LENSES)
def test_a_target_stands_where_place_says(
    place: tuple[float, float], position: tuple[float, ...], target: tuple[float, ...], lens: float
) -> None:
    level = np.hypot(position[0] - target[0], position[1] - target[1])
    assume(level > 0.5 and abs(position[2] - target[2]) < level / 4)
    camera = placed_by_hand(CameraSetup(lens_mm=lens, place=place, position=position), np.array(target), WIDTH / HEIGHT)
    # The lens pans about the vertical and then tilts, so that the horizon stays level: corners are a little off.
    assert seen(camera, np.array(target))[0] == pytest.approx(place, abs=0.06)


def test_a_subject_is_framed_left_or_right_high_or_low_as_place_says() -> None:
    subject = somebody()
    eyes = {
        place: seen(
            frame_subjects(CameraSetup(place=place), "medium", [subject], WIDTH / HEIGHT), subject.landmarks["eyes"]
        )[0]
        for place in ((0.5, 0.5), (0.3, 0.5), (0.7, 0.5), (0.5, 0.4), (0.5, 0.6))
    }
    assert eyes[0.3, 0.5][0] == pytest.approx(eyes[0.5, 0.5][0] - 0.2, abs=0.03)
    assert eyes[0.7, 0.5][0] == pytest.approx(eyes[0.5, 0.5][0] + 0.2, abs=0.03)
    assert eyes[0.5, 0.4][1] == pytest.approx(eyes[0.5, 0.5][1] - 0.1, abs=0.03)
    assert eyes[0.5, 0.6][1] == pytest.approx(eyes[0.5, 0.5][1] + 0.1, abs=0.03)


def test_tilt_and_roll_are_added_after_framing() -> None:
    target = np.array([0.0, 0.0, 1.0])
    setups = {name: CameraSetup(position=(0, -4, 1), **{name: 10}) for name in ("tilt_deg", "roll_deg")}
    tilted, rolled = (placed_by_hand(setup, target, WIDTH / HEIGHT) for setup in setups.values())
    assert seen(tilted, target)[0][1] > 0.5
    assert seen(rolled, target)[0] == pytest.approx([0.5, 0.5])
    # The camera leans to its left, so that what is above the target goes to the right.
    assert seen(rolled, target + [0, 0, 0.5])[0][0] > 0.5


@settings(deadline=None)
@given(PLACES, PLACES)
def test_a_camera_that_looks_at_something_is_level_and_has_it_in_the_middle(
    position: tuple[float, ...], target: tuple[float, ...]
) -> None:
    assume(np.linalg.norm(np.subtract(position, target)) > 0.1)
    assume(np.hypot(position[0] - target[0], position[1] - target[1]) > 1e-3)
    matrix = look_at(np.array(position), np.array(target))
    assert matrix[:3, :3].T @ matrix[:3, :3] == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    assert matrix[2, 0] == pytest.approx(0, abs=1e-9) and matrix[2, 1] >= -1e-9
    camera = CameraFrame(matrix, 35, 24, 13.5, 1, 0)
    assert seen(camera, np.array(target))[0] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("up", [1, -1])
def test_a_camera_can_look_straight_up_and_down(up: int) -> None:
    matrix = look_at(np.array([0.0, 0, 0]), np.array([0.0, 0, up]))
    assert np.isfinite(matrix).all()
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    assert -matrix[:3, 2] == pytest.approx([0, 0, up])


def test_a_camera_that_stands_in_its_target_is_refused() -> None:
    with pytest.raises(FilmProblem, match="stands in what it looks at"):
        placed_by_hand(CameraSetup(position=(1, 2, 3)), np.array([1.0, 2.0, 3.0]), 1.5)


CAMERAS = st.builds(
    lambda position, way, lens, roll: placed_by_hand(
        CameraSetup(lens_mm=lens, roll_deg=roll, position=position), np.add(position, way), WIDTH / HEIGHT
    ),
    PLACES,
    PLACES.filter(lambda way: np.linalg.norm(way) > 0.01),
    LENSES,
    st.floats(-45, 45),
)


@settings(deadline=None)
@given(CAMERAS, st.lists(PLACES, min_size=1, max_size=8))
def test_projection_agrees_with_usds_own_camera(camera: CameraFrame, places: list[tuple[float, ...]]) -> None:
    points = np.array(places)
    ours, depth = project(points, camera, WIDTH, HEIGHT), (points - camera.position) @ camera.forward
    before = depth > 0.01
    assume(before.any())
    assert np.isnan(ours[depth < -1e-3]).all()
    assert np.isfinite(ours[before]).all()
    assert ours[before] == pytest.approx(by_gf(camera, points[before]), rel=1e-6, abs=1e-4)


@pytest.mark.parametrize(
    ("back", "aspect", "width", "height"),
    [
        ({}, 16 / 9, 24.89, 24.89 * 9 / 16),
        ({"width_mm": 36}, 2.0, 36, 18),
        ({"width_mm": 36, "height_mm": 24}, 2.0, 36, 18),
        ({"width_mm": 36, "height_mm": 24}, 1.0, 24, 24),
        ({"width_mm": 36, "height_mm": 24}, 1.5, 36, 24),
    ],
)
def test_the_film_back_is_cut_to_the_pictures_shape(
    back: dict[str, float], aspect: float, width: float, height: float
) -> None:
    assert aperture(CameraSetup.model_validate({"film_back": back}), aspect) == pytest.approx((width, height))


TARGET = np.array([0.3, 0.2, 1.1])
FRAMES = FrameRange(1001, 1049)


def after(kind: str, amount: float, frame: int = 1049, **move: Any) -> tuple[CameraFrame, CameraFrame]:
    start = placed_by_hand(CameraSetup(position=(1.0, -4.0, 1.6)), TARGET, WIDTH / HEIGHT)
    return start, moved(start, [CameraMove(kind=kind, amount=amount, **move)], FRAMES, frame, TARGET)


@pytest.mark.parametrize(
    ("kind", "along"),
    [
        ("push_in", lambda camera: camera.forward),
        ("pull_out", lambda camera: -camera.forward),
        ("track_left", lambda camera: -camera.matrix[:3, 0]),
        ("track_right", lambda camera: camera.matrix[:3, 0]),
        ("crane_up", lambda camera: np.array([0, 0, 1])),
        ("crane_down", lambda camera: np.array([0, 0, -1])),
    ],
)
def test_a_camera_on_tracks_goes_as_far_as_it_says_and_does_not_turn(kind: str, along: Any) -> None:
    start, end = after(kind, 0.7)
    assert end.position - start.position == pytest.approx(along(start) * 0.7)
    assert np.array_equal(end.matrix[:3, :3], start.matrix[:3, :3])
    assert end.lens_mm == start.lens_mm


@pytest.mark.parametrize(("kind", "axis", "sign"), [("pan", 0, 1), ("tilt", 1, 1)])
def test_a_pan_turns_left_and_a_tilt_looks_up_and_what_was_in_the_middle_goes_the_other_way(
    kind: str, axis: int, sign: int
) -> None:
    start, end = after(kind, 5)
    assert np.array_equal(end.position, start.position)
    turned = np.degrees(np.arccos(np.clip(start.forward @ end.forward, -1, 1)))
    assert turned == pytest.approx(5, abs=0.1)
    assert sign * (seen(end, TARGET)[0][axis] - 0.5) > 0.05


def test_a_roll_leans_left_about_the_middle_of_the_picture() -> None:
    start, end = after("roll", 10)
    assert end.forward == pytest.approx(start.forward)
    assert seen(end, TARGET)[0] == pytest.approx([0.5, 0.5])
    assert seen(end, TARGET + [0, 0, 0.3])[0][0] > 0.5


@settings(deadline=None)
@given(st.floats(-180, 180))
def test_an_orbit_keeps_its_distance_and_its_target_where_it_was(amount: float) -> None:
    start, end = after("orbit", amount)
    assert np.linalg.norm(end.position - TARGET) == pytest.approx(np.linalg.norm(start.position - TARGET))
    assert end.position[2] == pytest.approx(start.position[2])
    assert seen(end, TARGET)[0] == pytest.approx(seen(start, TARGET)[0])


def test_a_zoom_changes_the_lens_and_nothing_else() -> None:
    start, end = after("zoom", 15)
    assert (start.lens_mm, end.lens_mm) == (35, 50)
    assert np.array_equal(start.matrix, end.matrix)
    assert after("zoom", -100)[1].lens_mm == 4


@settings(deadline=None)
@given(st.sampled_from(MOVES), st.floats(-2, 2), st.sampled_from(["linear", "in", "out", "in-out"]))
def test_a_move_begins_and_ends_when_it_says_and_never_goes_back(kind: str, amount: float, ease: str) -> None:
    move = {"from_frame": 1010, "to_frame": 1030, "ease": ease}
    start, end = after(kind, amount, 1030, **move)

    def way(frame: int) -> float:
        _, camera = after(kind, amount, frame, **move)
        return float(np.linalg.norm(camera.matrix - start.matrix) + abs(camera.lens_mm - start.lens_mm))

    assert way(1001) == way(1010) == 0
    assert way(1049) == way(1030) == np.linalg.norm(end.matrix - start.matrix) + abs(end.lens_mm - start.lens_mm)
    gone = [way(frame) for frame in range(1010, 1031, 4)]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(gone))


def test_a_move_without_frames_takes_the_whole_shot() -> None:
    start, whole = after("push_in", 1.0, 1049)
    _, half = after("push_in", 1.0, 1025, ease="linear")
    assert np.linalg.norm(whole.position - start.position) == pytest.approx(1)
    assert np.linalg.norm(half.position - start.position) == pytest.approx(0.5)


def test_moves_are_done_one_upon_another() -> None:
    start = placed_by_hand(CameraSetup(position=(0, -4, 1)), np.array([0.0, 0, 1]), WIDTH / HEIGHT)
    moves = [CameraMove(kind="pan", amount=90), CameraMove(kind="push_in", amount=2)]
    end = moved(start, moves, FRAMES, 1049, np.zeros(3))
    assert end.position == pytest.approx([-2, -4, 1])
