"""What the pipeline makes for those who look: films of key frames alone, and small pictures that are there already."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from small_film import SmallFilm

from film_pipeline.departments.edit import finished_frame
from film_pipeline.departments.film import Film
from film_pipeline.stores.thumbnails import READY_WIDTHS, SHOWN_WIDTHS

pytestmark = pytest.mark.blender


@pytest.fixture
def film(_made_once: SmallFilm) -> Film:
    return Film(_made_once.root, only_reads=True)


@pytest.mark.parametrize("role", ["proxy", "playback"])
def test_each_frame_of_a_shots_films_is_a_key_frame_at_its_time(film: Film, role: str) -> None:
    edit = film.frames.latest("edit", "SC010_SH010")
    assert edit is not None
    with av.open(str(film.made / edit.one(role).path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        assert all(packet.is_keyframe for packet in packets)
        assert [packet.pts * stream.time_base for packet in packets] == [Fraction(n) / 24 for n in range(8)]


def test_the_clean_film_shows_the_finished_frames_and_the_other_one_its_burn_in(film: Film) -> None:
    edit, color = film.frames.latest("edit", "SC010_SH010"), film.frames.latest("color", "SC010_SH010")
    assert edit is not None and color is not None
    assert edit.facts["of_color"] == color.recipe_sha256
    clean, burnt = (_pictures(film.made / edit.one(role).path) for role in ("playback", "proxy"))
    for number, shown in enumerate(clean):
        finished = np.asarray(Image.open(film.made / finished_frame(color, 1001 + number).path).convert("RGB"))
        assert np.abs(shown - finished.astype(int)).mean() < 6, number
    assert all(np.abs(one - other).max() > 90 for one, other in zip(clean, burnt, strict=True))


@pytest.mark.parametrize(("stage", "role"), [("color", "color"), ("render", "render")])
def test_small_pictures_are_there_before_anybody_looks(film: Film, stage: str, role: str) -> None:
    turnover = film.frames.latest(stage, "SC010_SH020")
    assert turnover is not None and set(READY_WIDTHS) <= set(SHOWN_WIDTHS)
    for item in turnover.of(role):
        for width in READY_WIDTHS:
            made = film.media.thumbnail_path(item.sha256, width)
            with Image.open(made) as small:
                assert small.format == "JPEG"


def _pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
