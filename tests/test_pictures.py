"""Panels, contact sheets, turnarounds and burn-ins: framed, aligned, legible, and nothing lost without a word."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdf
import pytest
from PIL import Image

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.shot import CameraMove
from film_pipeline.core.timing import Rate
from film_pipeline.pictures.burnin import burn
from film_pipeline.pictures.lineart import draw_lines
from film_pipeline.pictures.panel import INK, MARGIN, PANEL_WIDTH, PAPER, PENCIL, Panel, draw_panel
from film_pipeline.pictures.pdf import write_pdf
from film_pipeline.pictures.poses import draw_openpose, overlay
from film_pipeline.pictures.sheet import A4_LANDSCAPE, contact_picture, contact_sheet, grid
from film_pipeline.pictures.thumbs import to_display
from film_pipeline.pictures.turnaround import ANGLES, turnaround_sheet

WHITE = Image.new("RGB", (640, 360), "white")
PLAIN = Panel(
    slate="SC010_SH010",
    size="medium",
    lens_mm=35,
    action="Odile writes.",
    dialogue=(),
    moves=(),
    length=96,
    rate=Rate.parse("24"),
    drawn_by="previz",
    frame=1001,
)
LONG = "One step, and another step; he stops, and listens at the door. " * 200


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB")).astype(int)


def near(picture: np.ndarray, color: tuple[int, int, int], apart: int = 40) -> np.ndarray:
    return np.abs(picture - np.array(color)).max(axis=-1) < apart


def caption(panel: Panel) -> np.ndarray:
    return pixels(draw_panel(WHITE, panel))[MARGIN + 360 + 4 :]


# ---------------------------------------------------------------- panels


def test_the_drawing_stands_whole_in_a_frame_of_ink() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(60, 255, (360, 640, 3), dtype=np.uint8))
    sheet = pixels(draw_panel(noise, PLAIN))
    inside = sheet[MARGIN + 2 : MARGIN + 358, MARGIN + 2 : MARGIN + 638]
    assert np.array_equal(inside, pixels(noise)[2:358, 2:638])
    for edge in (sheet[MARGIN - 1, MARGIN : MARGIN + 640], sheet[MARGIN : MARGIN + 360, MARGIN - 1]):
        assert near(edge, INK).all()
    assert near(sheet[: MARGIN - 3], PAPER).all()


def test_everything_under_the_drawing_stays_inside_its_box() -> None:
    """However long slate, facts, action and dialogue are."""
    moves = tuple(CameraMove(kind=kind, amount=1) for kind in ("push_in", "pan", "tilt", "roll", "orbit", "zoom") * 3)
    full = replace(
        PLAIN,
        slate="SC01000AB_SH01000AB" * 4,
        action=LONG,
        dialogue=[("A VERY LONG NAME INDEED OF SOMEBODY WHO SPEAKS", LONG)] * 30,
        moves=moves,
        length=123_456,
        number=1,
        count=3,
    )
    sheet = pixels(draw_panel(WHITE, full))
    assert sheet.shape == pixels(draw_panel(WHITE, PLAIN)).shape
    assert near(sheet[:, : MARGIN - 3], PAPER).all()
    assert near(sheet[:, MARGIN + PANEL_WIDTH + 3 :], PAPER).all()
    assert near(sheet[-MARGIN + 1 :], PAPER).all()
    inked = near(caption(full), INK, 60)
    assert not inked[:, : MARGIN + 8].any()
    assert not inked[:, -MARGIN - 6 :].any()


def test_slate_and_timing_never_touch() -> None:
    head = near(caption(replace(PLAIN, slate="W" * 60))[8:34], INK, 90).any(axis=0)
    columns = np.nonzero(head)[0]
    assert np.diff(columns).max() >= 12


def test_what_is_said_is_seen() -> None:
    """Every part of a caption changes the picture, and the same panel is the same picture."""
    plain = caption(PLAIN)
    assert np.array_equal(plain, caption(replace(PLAIN)))
    changes = [
        {"slate": "SC010_SH020"},
        {"size": "close-up"},
        {"lens_mm": 50},
        {"action": "Odile reads."},
        {"dialogue": [("ODILE", "No.")]},
        {"length": 48},
        {"drawn_by": "artist"},
        {"frame": 1009},
        {"number": 2, "count": 3},
    ]
    for change in changes:
        assert not np.array_equal(plain, caption(replace(PLAIN, **change))), change


@pytest.mark.parametrize("lines", [7, 30])
def test_dialogue_that_finds_no_room_is_counted(lines: int) -> None:
    talk = replace(PLAIN, dialogue=[("ODILE", f"Line {number}.") for number in range(lines)])
    more = replace(talk, dialogue=[*talk.dialogue, ("PIM", "And me.")])
    assert not np.array_equal(caption(talk), caption(more))
    short = replace(PLAIN, dialogue=talk.dialogue[:5])
    assert not np.array_equal(caption(talk), caption(short))


@pytest.mark.parametrize(
    "text", ["Никто не стучит.", "Ο Πιμ ανεβαίνει.", "ピムは階段を上る。", "\x00\ufffe\ud800", "", "   ", "a\n\nb", "—"]
)
def test_any_script_is_a_panel(text: str) -> None:
    sheet = draw_panel(WHITE, replace(PLAIN, action=text, dialogue=[(text, text)], slate=text or "x"))
    assert sheet.width == PANEL_WIDTH + 2 * MARGIN


@pytest.mark.parametrize("size", [(1, 1), (640, 268), (360, 640), (4000, 200)])
def test_a_drawing_of_any_shape_is_a_panel(size: tuple[int, int]) -> None:
    sheet = draw_panel(Image.new("L", size, 200), PLAIN)
    assert sheet.height > round(PANEL_WIDTH * size[1] / size[0])


def _pencil(move: CameraMove) -> np.ndarray:
    drawn = pixels(draw_panel(WHITE, replace(PLAIN, moves=(move,))))[
        MARGIN + 3 : MARGIN + 357, MARGIN + 3 : MARGIN + 637
    ]
    return near(drawn, PENCIL, 60)


@pytest.mark.parametrize(
    ("kind", "amount", "points"),
    [
        ("pan", 20, "left"),
        ("pan", -20, "right"),
        ("track_left", 1, "left"),
        ("track_left", -1, "right"),
        ("track_right", 1, "right"),
        ("tilt", 10, "up"),
        ("tilt", -10, "down"),
        ("crane_up", 1, "up"),
        ("crane_down", 1, "down"),
        ("crane_down", -1, "up"),
        ("orbit", 30, "right"),
        ("orbit", -30, "left"),
        ("roll", 5, "left"),
        ("roll", -5, "right"),
    ],
)
def test_an_arrow_points_where_the_camera_goes(kind: str, amount: float, points: str) -> None:
    """An arrow's head is where its pencil is broadest. Positive pans turn left, as `core.camera` turns them."""
    pencil = _pencil(CameraMove(kind=kind, amount=amount))
    along = pencil.sum(axis=0 if points in ("left", "right") else 1)
    if kind in ("orbit", "roll"):
        along = pencil[pencil.any(axis=1)][-18:].sum(axis=0)
    places = np.nonzero(along)[0]
    first, last = along[places[0] : places[0] + 20].sum(), along[places[-1] - 19 : places[-1] + 1].sum()
    assert (first > last) == (points in ("left", "up"))


@pytest.mark.parametrize(
    ("kind", "amount", "opens"),
    [("push_in", 1, 0), ("push_in", -1, 1), ("pull_out", 1, 1), ("zoom", -5, 1), ("zoom", 5, 0)],
)
def test_corners_point_in_for_nearer_and_out_for_farther(kind: str, amount: float, opens: bool) -> None:
    pencil = _pencil(CameraMove(kind=kind, amount=amount))
    assert (pencil[:30, :45].sum() > 120) == bool(opens)


def test_arrows_are_seen_on_black_too() -> None:
    black = pixels(draw_panel(Image.new("RGB", (640, 360)), replace(PLAIN, moves=(CameraMove(kind="pan", amount=9),))))
    drawn = black[MARGIN + 3 : MARGIN + 357, MARGIN + 3 : MARGIN + 637]
    assert near(drawn, PENCIL, 60).sum() > 500
    assert near(drawn, PAPER, 60).sum() > 500


# ---------------------------------------------------------------- contact sheets and PDF


def some_panels(folder: Path, count: int, picture: Image.Image = WHITE) -> list[Path]:
    """So many panels; they share files, to be made quickly."""
    made = []
    for number in range(min(count, 4)):
        made.append(folder / f"panel.{number}.png")
        draw_panel(picture, replace(PLAIN, slate=f"SC010_SH{number:03d}")).save(made[-1])
    return [made[number % len(made)] for number in range(count)]


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (6, 1), (7, 2), (200, 34)])
def test_a_board_of_any_length_is_a_pdf_that_opens(tmp_path: Path, count: int, pages: int) -> None:
    panels = some_panels(tmp_path, count)
    assert (
        write_pdf(contact_sheet(panels, "Кино 紙 & (Film)", "Storyboard"), tmp_path / "board.pdf", "Кино (Film)")
        == pages
    )
    reader = pypdf.PdfReader(tmp_path / "board.pdf", strict=True)
    assert len(reader.pages) == pages
    assert reader.metadata is not None and reader.metadata.title == "Кино (Film)"
    box = reader.pages[0].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx((841.9, 595.2), abs=0.5)
    [image] = reader.pages[-1].images
    assert image.image.size == A4_LANDSCAPE


def test_the_same_board_is_the_same_bytes(tmp_path: Path) -> None:
    panels = some_panels(tmp_path, 3)
    for name in ("a.pdf", "b.pdf"):
        write_pdf(contact_sheet(panels, "Film", "Storyboard"), tmp_path / name)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_a_board_without_panels_is_a_page_with_its_head(tmp_path: Path) -> None:
    [page] = contact_sheet([], "Film", "Storyboard")
    assert page.size == A4_LANDSCAPE


def test_a_pdf_that_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one page"):
        write_pdf([], tmp_path / "board.pdf")
    panels = [*some_panels(tmp_path, 7), tmp_path / "gone.png"]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        write_pdf(contact_sheet(panels, "Film", "Storyboard"), tmp_path / "board.pdf")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("size", [(640, 360), (640, 268), (640, 480), (360, 640), (640, 640)])
def test_panels_of_any_shape_fill_a_page_and_can_be_read(tmp_path: Path, size: tuple[int, int]) -> None:
    page = pixels(next(contact_sheet(some_panels(tmp_path, 12, Image.new("RGB", size, "white")), "Film", "Storyboard")))
    frames = near(page, INK).sum(axis=0)
    columns = np.nonzero(frames > 100)[0]
    assert len(columns) > 0
    inked = np.nonzero((~near(page, PAPER, 20)).any(axis=1))[0]
    assert inked[-1] < A4_LANDSCAPE[1] - 10
    assert inked[-1] > A4_LANDSCAPE[1] * 0.6
    sides = np.nonzero((~near(page[90:], PAPER, 20)).any(axis=0))[0]
    assert sides[0] >= 40 and sides[-1] <= A4_LANDSCAPE[0] - 40


def test_frames_stand_flush_with_the_head_of_the_page(tmp_path: Path) -> None:
    page = pixels(next(contact_sheet(some_panels(tmp_path, 6), "Film", "Storyboard")))
    line = np.nonzero(near(page[72], INK))[0]
    frames = np.nonzero(near(page[90:600], INK, 90).sum(axis=0) > 150)[0]
    assert abs(line[0] - frames[0]) <= 4
    assert abs(line[-1] - frames[-1]) <= 4


def test_a_long_board_at_a_glance_says_what_it_leaves_out(tmp_path: Path) -> None:
    pages = [Image.new("RGB", A4_LANDSCAPE, PAPER)] * 2
    whole, cut = contact_picture(pages), contact_picture(pages, more=5)
    assert whole.height == 2 * A4_LANDSCAPE[1]
    assert near(pixels(cut)[whole.height :], INK, 90).sum() > 100


def test_a_grid_holds_every_picture_with_its_label() -> None:
    pictures = [Image.new("RGB", (64, 36), color) for color in ("red", "lime", "blue")]
    sheet = pixels(grid(pictures, ["one", "два", LONG], 2, LONG, 200))
    for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        assert near(sheet, color, 5).sum() > 15_000
    assert grid(pictures[:1], ["one"], 4, "Film", 200).width == 224
    assert grid([], [], 2, "Film").width > 0


# ---------------------------------------------------------------- turnarounds


def _puppet(top: int, bottom: int, color: int) -> Image.Image:
    picture = np.full((360, 240, 3), 86, np.uint8)
    picture[top:bottom, 80:160] = color
    return Image.fromarray(picture)


def _angles(top: int, bottom: int, color: int) -> list[Image.Image]:
    return [_puppet(top, bottom, color) for _ in range(ANGLES)]


def test_the_ruler_measures_the_puppet_that_is_seen() -> None:
    """From sole to hat 1.25 m in 300 rows: a guide every 60."""
    sheet = pixels(turnaround_sheet("pim", 1.05, 1.25, _angles(30, 330, 40), _angles(30, 330, 200)))
    card = sheet[86 : 84 + 350, 94 : 92 + 70]
    guides = np.nonzero((~near(card, (86, 86, 86), 10)).all(axis=1))[0]
    assert (guides + 2).tolist() == [30, 90, 150, 210, 270, 330]


def test_guides_run_behind_the_puppet() -> None:
    sheet = pixels(turnaround_sheet("pim", 1.05, 1.25, _angles(30, 330, 40), _angles(30, 330, 200)))
    assert (sheet[84 + 40 : 84 + 320, 92 + 85 : 92 + 155] == 40).all()


def test_a_giant_has_a_guide_every_metre() -> None:
    sheet = pixels(turnaround_sheet("giant", 10, 10, _angles(30, 330, 40), _angles(30, 330, 200)))
    card = sheet[86 : 84 + 350, 94 : 92 + 70]
    guides = np.nonzero((~near(card, (86, 86, 86), 10)).all(axis=1))[0]
    assert (guides + 2).tolist() == list(range(30, 331, 30))


def test_every_angle_is_in_its_place_and_an_empty_one_is_refused() -> None:
    clay = _angles(30, 330, 200)
    textured = [_puppet(30, 330, 10 + 8 * number) for number in range(ANGLES)]
    sheet = pixels(turnaround_sheet("pim", 1.05, 1.25, textured, clay))
    middles = [sheet[84 + 180, 92 + column * 240 + 120, 0] for column in range(ANGLES)]
    assert middles == [10 + 8 * number for number in range(ANGLES)]
    clay[3] = Image.fromarray(np.full((360, 240, 3), 86, np.uint8))
    with pytest.raises(FilmProblem, match="pim from the back left shows nothing"):
        turnaround_sheet("pim", 1.05, 1.25, textured, clay)


# ---------------------------------------------------------------- burn-in and drawings


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (320, 180), (64, 64)])
@pytest.mark.parametrize("dialogue", ["", "ODILE: No.", "ОДИЛЬ: Никто не стучит. " + LONG, "ピム: 紙\n\x00"])
def test_a_burn_in_touches_only_its_labels(size: tuple[int, int], dialogue: str) -> None:
    picture = np.full((size[1], size[0], 3), 180, np.uint8)
    before = picture.copy()
    burnt = burn(picture, "SC010_SH010", 1001, "01:00:00:00", dialogue, "take 3")
    assert np.array_equal(picture, before)
    assert burnt.shape == picture.shape
    changed = (burnt != picture).any(axis=-1)
    assert changed.any()
    if size[1] >= 360:
        assert not changed[: size[1] * 3 // 4].any()
        assert burnt[changed].max() > 220


def test_a_long_slate_never_runs_into_the_timecode() -> None:
    picture = np.full((360, 640, 3), 180, np.uint8)
    changed = (burn(picture, "SC01000AB_SH01000AB" * 5, 1001, "01:00:00:00") != picture).any(axis=(0, 2))
    gaps = np.diff(np.nonzero(changed)[0])
    assert (gaps > 5).sum() == 1


def test_another_frame_number_is_another_picture() -> None:
    picture = np.full((360, 640, 3), 180, np.uint8)
    assert not np.array_equal(burn(picture, "A", 1001, "00:00:41:17"), burn(picture, "A", 1002, "00:00:41:18"))


def test_lines_go_round_things_and_small_dark_parts_are_inked() -> None:
    shape = (180, 320)
    depth, normal = np.full(shape, 3.0, np.float32), np.zeros((*shape, 3), np.float32)
    normal[..., 1] = -1
    face, eye = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    face[40:140, 100:220], eye[80:87, 150:157] = 1, 1
    plate = np.full((*shape, 3), 0.5, np.float32)
    plate[80:87, 150:157] = 0.01
    mattes = {"pim": face, "wall": 1 - face}
    plain = draw_lines(depth, normal, mattes, plate, (320, 180)).astype(int)
    parted = draw_lines(depth, normal, mattes, plate, (320, 180), parts={"skull": face - eye, "iris": eye}).astype(int)
    assert plain[60:120, 92:108].min() < 60
    assert plain[50:130, 120:200].min() > 150
    assert parted[78:90, 148:160].min() < 70
    assert np.array_equal(plain[:30], parted[:30])
    again = draw_lines(depth, normal, mattes, plate, (320, 180), parts={"skull": face - eye, "iris": eye})
    assert np.array_equal(again, parted)


def test_a_drawing_comes_at_the_size_that_was_asked() -> None:
    flat = np.ones((45, 80), np.float32)
    drawing = draw_lines(
        flat, np.zeros((45, 80, 3), np.float32), {"a": flat}, np.zeros((45, 80, 3), np.float32), (320, 180)
    )
    assert drawing.shape == (180, 320)
    assert drawing.dtype == np.uint8


def test_a_pose_is_drawn_where_its_joints_are_and_not_where_they_are_unseen() -> None:
    points = np.zeros((18, 3))
    points[:] = np.nan
    points[1], points[2], points[3] = (100, 50, 1), (60, 60, 1), (40, 100, 1)
    drawn = draw_openpose({"pim": points}, (320, 180))
    assert drawn[48:53, 98:103].max() > 200
    assert drawn[:, 120:].max() == 0
    plate = np.full((180, 320, 3), 90, np.uint8)
    over = overlay(plate, {"pim": points})
    assert (over[:, 120:] == 90).all()
    assert not np.array_equal(over, plate)
    assert draw_openpose({}, (32, 18)).max() == 0


def test_a_display_picture_keeps_lamps_below_white() -> None:
    light = np.array([[[0.0, 0.18, 1.0]], [[4.0, -1.0, 100.0]]], np.float32)
    shown = to_display(light)
    assert shown[0, 0].tolist()[:2] == [0, 118]
    assert 200 < shown[0, 0, 2] < 255
    assert shown[1, 0].tolist()[1:] == [0, 255]
    assert (to_display(light, 1.0).astype(int) >= shown).all()
