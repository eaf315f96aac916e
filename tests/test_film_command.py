"""The `film` command as a contract: exit status, one JSON document, help that teaches."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from small_film import SmallFilm

from film_pipeline.cli import COMMANDS, app

ROOT = Path(__file__).resolve().parents[1]


def commands() -> dict[str, typer.models.CommandInfo]:
    """Every command by its words, those of groups too: `people list`."""
    found = {info.name or info.callback.__name__: info for info in app.registered_commands if info.callback}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for info in group.typer_instance.registered_commands:
            found[f"{group.name} {info.name}"] = info
    return found


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "film_pipeline.cli", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_every_command_teaches_with_an_example() -> None:
    assert COMMANDS
    for name, info in commands().items():
        assert info.callback is not None
        assert re.search(rf"Example: .*\bfilm {name}\b", info.callback.__doc__ or ""), name


def test_every_command_stands_in_the_docs() -> None:
    told = (ROOT / "docs" / "film-command.md").read_text(encoding="utf-8")
    for name in commands():
        assert f"`film {name}" in told, name


def test_outside_a_production_the_mend_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "status")
    assert done.returncode == 1
    assert "film new my-film" in done.stderr
    assert done.stdout == ""


def test_wrong_use_is_status_two(tmp_path: Path) -> None:
    for words in (("nonsense",), ("run", "--through", "nowhere"), ("recipe",), ("conform",)):
        assert run(tmp_path, *words).returncode == 2, words


def test_a_problem_is_one_json_document_and_status_one(tmp_path: Path) -> None:
    done = run(tmp_path, "status", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"][0]["mend"]


def test_a_production_is_found_from_below_and_by_name(new_film: SmallFilm) -> None:
    for folder, words in ((new_film.root / "cast" / "maker", ()), (Path("/"), ("--production", str(new_film.root)))):
        done = run(folder, "status", "--json", *words)
        assert done.returncode == 0, done.stderr
        assert [row["shot"] for row in json.loads(done.stdout)["shots"]] == ["SC010_SH010", "SC010_SH020"]


def test_status_says_what_is_due_and_what_waits(new_film: SmallFilm) -> None:
    stages = json.loads(new_film.film("status", "--json").stdout)["shots"][0]["stages"]
    assert stages["look"]["state"] == "due"
    assert stages["deliver"]["state"] == "waits"
    assert "SC010_SH010" in new_film.film("status").stdout


def test_an_unknown_shot_is_named(new_film: SmallFilm) -> None:
    done = new_film.film("run", "--shots", "SC010_SH010,SC099_SH010")
    assert done.returncode == 1
    assert "SC099_SH010" in done.stderr
    assert "SC010_SH020" in done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("shots/SC010.yaml", "length: 8", "length: -8", "length"),
        ("shots/SC010.yaml", "character: maker", "character: mkaer", "there is no puppet 'mkaer'"),
        ("shots/SC010.yaml", "set: workshop", "set: wrokshop", "there is no set 'wrokshop'"),
        ("shots/SC010.yaml", "pose: look_down", "pose: loook_down", "look_down"),
        ("production.yaml", "fps: 24", "fps: 24.5", "frame rate"),
        ("look/look.yaml", "grain: {amount: 0.016", "grain: {amout: 0.016", "amout"),
        ("sets/workshop/set.yaml", "kind: table", "kind: tabel", "kind"),
        ("cast/maker/character.yaml", "height_m: 1.6", "height_m: tall", "height_m"),
        ("script.fountain", "The Maker reaches", "[[an open note\n\nThe Maker reaches", "note"),
    ],
)
def test_bad_input_names_file_line_and_mend(new_film: SmallFilm, file: str, old: str, new: str, said: str) -> None:
    new_film.edit(file, old, new)
    done = new_film.film("status", "--json")
    assert done.returncode == 1, done.stdout
    document = json.loads(done.stdout)
    told = done.stderr + json.dumps(document)
    assert said in told
    assert re.search(rf"{re.escape(Path(file).name)}:\d+", done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_film_is_a_copy_of_the_template_under_its_own_name(tmp_path: Path) -> None:
    done = run(tmp_path, "new", "my-film", "--json")
    assert done.returncode == 0, done.stderr
    root = Path(json.loads(done.stdout)["production"])
    assert "name: my-film" in (root / "production.yaml").read_text(encoding="utf-8")
    assert run(root, "status").returncode == 0


def test_a_new_film_never_takes_a_place_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "keep.txt").write_text("mine", encoding="utf-8")
    for name in ("mine", "Bad Name", ".hidden"):
        assert run(tmp_path, "new", name).returncode == 1, name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_a_broken_screenplay_leaves_nothing_behind(tmp_path: Path) -> None:
    script = tmp_path / "broken.fdx"
    script.write_text("<FinalDraft><Content>", encoding="utf-8")
    done = run(tmp_path, "new", "my-film", "--script", str(script))
    assert done.returncode == 1
    assert "broken.fdx" in done.stderr
    assert not (tmp_path / "my-film").exists()


def test_breakdown_never_touches_a_scene_that_has_shots(new_film: SmallFilm) -> None:
    shots = new_film.root / "shots" / "SC010.yaml"
    before = shots.read_bytes()
    script = new_film.root / "script.fountain"
    script.write_text(
        script.read_text(encoding="utf-8") + "\nEXT. GARDEN - DAY #2#\n\nThe Maker walks in.\n", encoding="utf-8"
    )
    done = new_film.film("breakdown", "--json")
    assert done.returncode == 0, done.stderr
    written = [Path(path).relative_to(new_film.root).as_posix() for path in json.loads(done.stdout)["written"]]
    assert "shots/SC020.yaml" in written
    assert shots.read_bytes() == before
    assert new_film.film("breakdown").stderr.strip().endswith("every scene has its shots")
