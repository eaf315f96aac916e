"""The hash list: what ASC MHL's own commands make of it, and what happens to a delivery that was touched."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from ascmhl import commands
from click.testing import CliRunner

from film_pipeline.core.problems import FilmProblem
from film_pipeline.delivery.hashlist import verify_mhl, write_mhl


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    folder = tmp_path / "delivery"
    (folder / "stills").mkdir(parents=True)
    (folder / "film.mp4").write_bytes(b"picture and sound" * 1000)
    (folder / "stills" / "кадр 紙.png").write_bytes(b"a still")
    (folder / "qc.txt").write_bytes(b"PASSED\n")
    return folder


def by_its_own_command(command: object, *arguments: str) -> int:
    """The exit code. ascmhl leaves files open and uses an old name of pathspec's: that is not ours to fail over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.filterwarnings("ignore", "GitWildMatchPattern", DeprecationWarning)
        return CliRunner().invoke(command, list(arguments)).exit_code


def test_the_list_names_author_title_and_every_file_and_no_place_of_this_machine(delivery: Path) -> None:
    hash_list = write_mhl(delivery, "A. Author", "The Unwritten Page")
    text = hash_list.read_text(encoding="utf-8")
    assert "A. Author" in text
    assert "The Unwritten Page" in text
    assert all(name in text for name in ("film.mp4", "stills/кадр 紙.png", "qc.txt"))
    assert str(delivery) not in text


def test_an_untouched_delivery_verifies_here_and_by_ascmhls_own_command(delivery: Path) -> None:
    write_mhl(delivery, "A. Author")
    verify_mhl(delivery)
    assert by_its_own_command(commands.verify, str(delivery)) == 0
    assert by_its_own_command(commands.diff, str(delivery)) == 0


def test_a_delivery_verifies_against_the_list_alone(delivery: Path, tmp_path: Path) -> None:
    """As somebody does who was sent the files and the list, but not the history folder."""
    hash_list = shutil.copyfile(write_mhl(delivery, "A. Author"), tmp_path / "hashes.mhl")
    shutil.rmtree(delivery / "ascmhl")
    assert by_its_own_command(commands.verify, "-pl", str(hash_list), str(delivery)) == 0
    (delivery / "film.mp4").write_bytes(b"another")
    assert by_its_own_command(commands.verify, "-pl", str(hash_list), str(delivery)) != 0


def _same_length(delivery: Path) -> None:
    content = bytearray((delivery / "film.mp4").read_bytes())
    content[500] ^= 1
    (delivery / "film.mp4").write_bytes(content)


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        (_same_length, "hash mismatch for film.mp4"),
        (lambda delivery: (delivery / "film.mp4").write_bytes(b""), "hash mismatch for film.mp4"),
        (lambda delivery: (delivery / "new.txt").write_bytes(b"new"), "found new file new.txt"),
        (lambda delivery: (delivery / "stills" / ".hidden").write_bytes(b""), r"found new file stills/\.hidden"),
        (lambda delivery: (delivery / "qc.txt").unlink(), "missing.*qc.txt"),
        (lambda delivery: (delivery / "qc.txt").rename(delivery / "qc2.txt"), "new file qc2.txt"),
        (lambda delivery: shutil.rmtree(delivery / "ascmhl"), "Missing ASC MHL history"),
    ],
)
def test_a_delivery_that_was_touched_fails_by_the_files_name(
    delivery: Path, touch: Callable[[Path], object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mhl(delivery, "A. Author")
    touch(delivery)
    with pytest.raises(FilmProblem, match=told) as refused:
        verify_mhl(delivery)
    assert refused.value.file == delivery
    assert by_its_own_command(commands.verify, str(delivery)) != 0
    assert capsys.readouterr().out == ""


def test_a_second_list_of_a_changed_delivery_is_refused(delivery: Path) -> None:
    write_mhl(delivery, "A. Author")
    _same_length(delivery)
    with pytest.raises(FilmProblem, match="can't be written"):
        write_mhl(delivery, "A. Author")


def test_a_long_list_of_faults_is_told_in_short(delivery: Path) -> None:
    write_mhl(delivery, "A. Author")
    for number in range(20):
        (delivery / f"{number}.txt").write_bytes(b"")
    with pytest.raises(FilmProblem, match="and 15 more"):
        verify_mhl(delivery)
