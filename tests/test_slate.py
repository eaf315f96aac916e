"""What stands on the slate: scene, shot, stage, version and frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_pipeline.core.slate import WHOLE_FILM_SLATE, ShotName, Slate
from film_pipeline.core.stages import Stage


@given(
    st.from_regex(r"SC[0-9]{3,5}[A-Z]{0,2}", fullmatch=True), st.from_regex(r"SH[0-9]{3,5}[A-Z]{0,2}", fullmatch=True)
)
def test_a_shots_name_is_read_as_it_is_written(scene: str, shot: str) -> None:
    name = ShotName.parse(f"{scene}_{shot}")
    assert (name.scene, name.shot, str(name)) == (scene, shot, f"{scene}_{shot}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SC010",
        "SC010_",
        "SC010_SH1",
        "sc010_sh010",
        "SC010_SH010\n",
        "SC010_SH010_x",
        "../SC010_SH010",
        "SC٠١٠_SH010",
    ],
)
def test_what_is_no_shot_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as SC010_SH020"):
        ShotName.parse(text)


def test_shots_are_in_the_order_of_scene_and_shot() -> None:
    names = [ShotName.parse(name) for name in ("SC020_SH010", "SC010_SH020", "SC010_SH010A", "SC010_SH010")]
    assert [str(name) for name in sorted(names)] == ["SC010_SH010", "SC010_SH010A", "SC010_SH020", "SC020_SH010"]


def test_takes_and_versions_are_told_apart() -> None:
    assert Slate("SC010_SH010", Stage.RENDER, 3).version_label == "t003"
    assert Slate("SC010_SH010", Stage.COLOR, 12).version_label == "v012"


def test_a_slate_says_where_its_files_lie() -> None:
    slate = Slate("SC010_SH020", Stage.RENDER, 3)
    assert slate.folder == "shots/SC010_SH020/render/t003"
    assert slate.filename("render", "exr", 1001) == "SC010_SH020_render_t003.1001.exr"
    assert slate.filename("proxy", "mp4") == "SC010_SH020_render_proxy_t003.mp4"
    hero = Slate("SC010_SH020", Stage.RENDER, 3, "hero")
    assert hero.folder == "shots/SC010_SH020/render/hero_t003"
    assert hero.filename("hero", "png", 1001) == "SC010_SH020_render_hero_t003.1001.png"
    assert Slate(WHOLE_FILM_SLATE, Stage.EDIT, 1).folder == "film/edit/v001"


def test_the_stages_stand_in_shooting_order() -> None:
    assert [stage.number for stage in Stage] == list(range(1, 11))
    assert Stage.SCRIPT.through() == (Stage.SCRIPT,)
    assert Stage.DELIVER.through() == tuple(Stage)
    assert Stage.CAMERAS.through()[-1] is Stage.CAMERAS


def test_every_stage_has_a_heading_of_its_own() -> None:
    assert len({stage.heading for stage in Stage}) == 10
