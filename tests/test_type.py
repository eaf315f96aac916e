"""Type: every script that has a font is set in it, what has none is told, and no text is too long or too strange."""

import logging
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from film_pipeline.pictures import type as typing
from film_pipeline.pictures.type import fitted, measure, set_lines, shortened, wrap, write

LONG = "Pim climbs out of the dark behind his lantern, one step, and another step, and stops. " * 400


def set_(text: str, size: int = 40) -> np.ndarray:
    """Ink of one line, (h, w)."""
    box = Image.new("L", (max(8, measure(text, size)) + 40, size * 2))
    write(ImageDraw.Draw(box), (20, size // 2), text, size, 255)
    return np.asarray(box)


def tofu() -> np.ndarray:
    """The box that a font draws for a letter that it does not have."""
    font = typing._font(typing._ours("Regular"), 40)
    return np.asarray(font.getmask("\U0010fffd")).reshape(font.getmask("\U0010fffd").size[::-1])


@pytest.mark.parametrize(
    "text",
    [
        "Nobody knocks — “not ever” …",
        "Çà et là, l’œuvre naïve; Łódź, Øre, ßig, ñandú",
        "Никто не стучит в конце книги",
        "Ο Πιμ ανεβαίνει από το σκοτάδι",
        "→ ½ × ° €",
    ],
)
def test_latin_greek_and_cyrillic_have_all_their_letters(text: str) -> None:
    assert "without a font" not in "".join(piece for _, piece in typing._runs(text, "Regular"))
    for letter in text.replace(" ", ""):
        drawn = typing._font(typing._font_with(letter, "Regular"), 40).getmask(letter)
        assert drawn.getbbox() is not None
        assert np.asarray(drawn).reshape(drawn.size[::-1]).shape != tofu().shape or not np.array_equal(
            np.asarray(drawn).reshape(drawn.size[::-1]), tofu()
        )


def test_different_letters_look_different() -> None:
    for pair in ("ЖШ", "ΛΔ", "éè", "—-"):
        first, second = (set_(letter) for letter in pair)
        assert first.max() > 200
        assert first.shape != second.shape or not np.array_equal(first, second)


def test_bold_and_italic_fall_back_to_the_upright_for_what_they_lack() -> None:
    for style in ("Semibold", "It"):
        assert "without a font" not in "".join(piece for _, piece in typing._runs("ОДИЛЬ said Ωχ", style))


@pytest.mark.parametrize("text", ["ピムは階段を上る。", "고양이", "𓀀𓀁"])
def test_a_script_is_set_in_its_font_or_it_is_told_that_there_is_none(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever of the two holds on this machine."""
    typing._font_with.cache_clear()
    typing._runs.cache_clear()
    typing._tell.cache_clear()
    with caplog.at_level(logging.WARNING):
        pieces = typing._runs(f"Pim: {text} ends", "Regular")
    said = "".join(piece for _, piece in pieces)
    told = "without a font]" in said
    if told:
        assert said.startswith("Pim: [")
        assert said.endswith("] ends")
        assert "install one" in caplog.text
    else:
        assert said == f"Pim: {text} ends"
        assert all(typing._has(path, letter) for path, piece in pieces for letter in piece)
    assert set_(text).max() > 200


def test_letters_without_a_font_are_counted_and_told_once_a_script(caplog: pytest.LogCaptureFixture) -> None:
    """Places of the private use area that no font fills."""
    typing._font_with.cache_clear()
    typing._tell.cache_clear()
    nobody = "\U00100000\U00100001\U00100002"
    with caplog.at_level(logging.WARNING):
        assert typing._runs(f"a {nobody} b {nobody[0]}", "Regular")[0][1] == (
            "a [3 letters without a font] b [1 letter without a font]"
        )
    assert caplog.text.count("install one") == 1


@pytest.mark.parametrize(
    "text",
    ["\ufffe", "\ud800", "a\x00b\x07c", "a\u200db", "\u202eabc", "e\u0301", "\U0001f469\u200d\U0001f680", "\uffff", ""],
)
def test_no_code_point_is_a_crash(text: str) -> None:
    set_(text)
    assert measure(text, 20) >= 0
    wrap(text, 20, 100)


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=60), st.integers(8, 40), st.integers(30, 400))
def test_any_text_is_wrapped_within_its_width(text: str, size: int, width: int) -> None:
    for line in wrap(text, size, width):
        # One letter, or what is told for one, may be wider than a very narrow column.
        assert measure(line, size) <= width or len(line) == 1


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abc äЖ\n", max_size=200), st.integers(10, 30), st.integers(60, 300), st.integers(1, 5))
def test_fitted_text_keeps_every_word_or_ends_in_an_ellipsis(text: str, size: int, width: int, most: int) -> None:
    lines = fitted(text, size, width, most)
    assert 1 <= len(lines) <= most
    whole = "".join(text.split())
    shown = "".join("".join(lines).split())
    assert shown == whole or (shown.endswith("…") and whole.startswith(shown[:-1]))


def test_a_very_long_text_and_a_very_long_word_are_set_at_once() -> None:
    sheet = Image.new("RGB", (400, 300))
    started = time.perf_counter()
    assert set_lines(sheet, (0, 0), LONG, 20, 380, 3, (255, 255, 255)) == 3 * 26
    assert set_lines(sheet, (0, 100), "x" * 200_000, 20, 380, 3, (255, 255, 255)) == 3 * 26
    assert shortened(LONG, 20, 200).endswith("…")
    assert time.perf_counter() - started < 2
    pixels = np.asarray(sheet)
    assert pixels[80:100].max() == 0
    assert pixels[180:].max() == 0
    assert pixels[:, 382:].max() == 0


def test_alignment_is_to_the_pixel_of_the_measure() -> None:
    for align, first in (("left", 100), ("middle", 100 - measure("HH", 40) / 2), ("right", 100 - measure("HH", 40))):
        box = Image.new("L", (300, 80))
        write(ImageDraw.Draw(box), (100, 10), "HH", 40, 255, align=align)
        inked = np.nonzero(np.asarray(box).max(axis=0))[0]
        assert inked[0] == pytest.approx(first, abs=5)


def test_a_machine_without_fontconfig_asks_for_fonts_by_name() -> None:
    """In a process of its own, whose PATH is empty."""
    told = (
        "from film_pipeline.pictures.type import _runs\n"
        "print(''.join(piece for _, piece in _runs('Жук \\u7d19', 'Regular')))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", told],
        env={"PATH": "", "PYTHONPATH": ".", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() in ("Жук [1 letter without a font]", "Жук 紙")
