"""Reading the author's files: what is broken is named by file, line, field and mend, and nothing is ever written."""

import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from film_makers import SAMPLE, a_film, compose_all
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from film_pipeline.core.files import LARGEST_BYTES, FilmFile, inside, line_of, load_yaml, read_yaml
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production
from film_pipeline.core.puppet import CharacterFile
from film_pipeline.core.refusals import field_path
from film_pipeline.core.sets import SetFile
from film_pipeline.core.shot import SceneFile

SHOT = "scene: SC010\nset: room\nshots:\n  - id: SH010\n    length: 12\n"


class Anything(FilmFile):
    values: Any


def written(folder: Path, text: str | bytes, name: str = "SC010.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path, model: type[FilmFile] = SceneFile) -> FilmProblem:
    with pytest.raises(FilmProblem) as caught:
        read_yaml(path, model)
    assert caught.value.file == path
    assert caught.value.problem and caught.value.mend
    assert str(path) in str(caught.value) and caught.value.mend in str(caught.value)
    return caught.value


def test_a_file_that_is_right_is_read(tmp_path: Path) -> None:
    scene = read_yaml(written(tmp_path, SHOT), SceneFile)
    assert [str(scene.name_of(shot)) for shot in scene.shots] == ["SC010_SH010"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, SHOT.encode("utf-8-sig")), SceneFile).scene == "SC010"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("scene: [SC010\nset: room\n", 2, "broken YAML"),
        ("scene: SC010\n\tset: room\n", 2, "broken YAML"),
        ("scene: 'SC010\n", 2, "broken YAML"),
        ("scene: SC010\nscene: SC020\n", 2, 'duplicate key "scene"'),
        ("scene: *nobody\n", 1, "undefined alias"),
        ("scene: SC010\n---\nset: room\n", 2, "another document"),
        ("scene: SC010\nset: \x01room\n", 2, "control character U+0001"),
        ("scene: SC010\nset: !!python/object/apply:os.getcwd []\n", 2, "tag"),
        ("", 1, "the file is empty"),
        ("# nothing but a remark\n", 1, "the file is empty"),
        ("- SC010\n", 1, "this takes fields"),
        ("SC010\n", 1, "this takes fields"),
    ],
)
def test_broken_yaml_is_named_by_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    problem = refused(written(tmp_path, text))
    assert problem.line == line
    assert said in problem.problem


def test_a_file_that_is_not_utf_8_is_named_by_its_line(tmp_path: Path) -> None:
    problem = refused(written(tmp_path, "scene: SC010\nset: café\n".encode("latin-1")))
    assert (problem.line, problem.problem, problem.mend) == (2, "the file is not UTF-8 text", "save it as UTF-8")
    assert "UTF-8" in refused(written(tmp_path, SHOT.encode("utf-16"))).problem


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert refused(tmp_path / "SC010.yaml").problem == "the file is missing"
    assert refused(tmp_path).problem == "this is no file"


@pytest.mark.parametrize(
    ("text", "line", "field", "said", "mend"),
    [
        ("scene: SC010\nset: room\n", 1, "shots", "needed", "add `shots:` here"),
        ("scene: SC010\nset: room\nshots: []\n", 3, "shots", "at least 1 item", "docs/files.md"),
        (SHOT.replace("12", "-12"), 5, "shots[0].length", "greater than 0, and the file says -12", "`length`"),
        (SHOT.replace("12", "1000000"), 5, "shots[0].length", "less than or equal to 100000", "`length`"),
        (SHOT.replace("12", "twelve"), 5, "shots[0].length", "takes a whole number", "write a whole number"),
        (SHOT.replace("12", "12.5"), 5, "shots[0].length", "takes a whole number", "write a whole number"),
        (SHOT + "    size: medum\n", 6, "shots[0].size", "not one of the choices", "did you mean medium"),
        (SHOT + "    size: 3\n", 6, "shots[0].size", "not one of the choices", "choose among extreme wide, wide"),
        (SHOT + "    notes: [a, b]\n", 6, "shots[0].notes", "takes text", "write text"),
        (SHOT + "    cast:\n      - character: pim\n        at: {x: 1}\n", 8, "shots[0].cast[0].at", "list", "list"),
        (SHOT + "    cast:\n      - at: here\n", 7, "shots[0].cast[0].character", "needed", "add `character:`"),
        (
            SHOT + "    light:\n      key:\n        color: [1, 1]\n",
            8,
            "shots[0].light.key.color",
            "no value number 3",
            "as many",
        ),
        (SHOT + "    cast: [{character: ../pim}]\n", 6, "shots[0].cast[0].character", "letters", "`character`"),
        (SHOT + "    cast: [{character: a}, {character: a}]\n", 4, "shots[0]", "casts somebody twice", "files.md"),
        (SHOT + "    camera:\n      lens_mm: .inf\n", 7, "shots[0].camera.lens_mm", "finite", "`lens_mm`"),
        (SHOT + "    camera: {positon: [0, 0, 0]}\n", 6, "shots[0].camera.positon", "no such", "did you mean position"),
        (SHOT + "    camera:\n      target: pim\n", 6, "shots[0].camera", "a target needs a position", "`camera`"),
        (SHOT + "    light: {key: {levels: {900: 1}}}\n", 6, "shots[0].light.key.levels[900]", "from 1001", "`levels`"),
        (SHOT + "    light: {key-light: {}}\n", 6, "shots[0].light.key-light", "letters", "`key-light`"),
        (SHOT + "    exposure: {holds: [{frame: 1, frames: 2}]}\n", 6, "shots[0].exposure.holds[0].frame", "1001", "`"),
        (SHOT + "  - id: SH010\n    length: 4\n", 3, "", "two shots named SH010", "files.md"),
        (SHOT.replace("SH010", "SHOT1"), 4, "shots[0]", "'SHOT1' is no shot: write SH010", "files.md"),
        (SHOT.replace("SC010", "10"), 1, "scene", "takes text", "write text"),
    ],
)
def test_a_wrong_value_is_named_by_line_field_and_mend(
    tmp_path: Path, text: str, line: int, field: str, said: str, mend: str
) -> None:
    problem = refused(written(tmp_path, text))
    assert problem.field_name == field
    assert problem.line == (1 if field == "" else line)
    assert said in problem.problem
    assert mend in problem.mend
    assert not problem.others


@pytest.mark.parametrize(
    ("model", "text", "field", "said"),
    [
        (Production, "name: My Film\ntitle: T\n", "name", "pattern"),
        (Production, "name: film\ntitle: T\nfps: 23.98\n", "fps", "no frame rate"),
        (Production, "name: film\ntitle: T\nfps: '1e99999999'\n", "fps", "no frame rate"),
        (Production, "name: film\ntitle: T\nresolution: [1281, 720]\n", "resolution", "two even numbers"),
        (Production, "name: film\ntitle: T\nresolution: [1000000, 1000000]\n", "resolution", "to 16384"),
        (Production, "name: film\ntitle: T\nbudget: -5\n", "budget", "greater than or equal to 0"),
        (Production, "name: film\ntitle: T\nbudget: lots\n", "budget", "decimal"),
        (Production, "name: film\ntitle: T\nbackends: []\n", "backends", "at least 1 item"),
        (SetFile, "name: R\npieces: [{name: a, kind: rug}, {name: a, kind: desk}]\n", "", "two pieces are named a"),
        (SetFile, "name: R\npieces: [{name: Desk, kind: desk}]\n", "pieces[0].name", "pattern"),
        (SetFile, "name: R\npieces: [{name: desk, kind: dsk}]\n", "pieces[0].kind", "not one of the choices"),
        (SetFile, "name: R\npieces: [{name: a, kind: rug, size: [0, 1, 1]}]\n", "pieces[0].size[0]", "greater than 0"),
        (SetFile, "name: R\npieces: [{name: a, kind: rug, size: [1700, 1, 1]}]\n", "pieces[0].size[0]", "200"),
        (SetFile, "name: R\npieces: [{name: a, kind: rug, seed: -1}]\n", "pieces[0].seed", "greater than or equal"),
        (CharacterFile, "name: P\nposes: {bow: {tail: [1, 0, 0]}}\n", "poses", "'tail', which is no joint"),
        (CharacterFile, "name: P\nprops: [{kind: pen}, {kind: pen, hand: left}]\n", "props", "more than one pen"),
        (CharacterFile, "name: P\nheight_m: 0\n", "height_m", "greater than 0.05"),
        (CharacterFile, "name: P\nproportions: {legs: 2}\n", "proportions.legs", "less than 0.8"),
    ],
)
def test_every_kind_of_file_refuses_what_cannot_be(
    tmp_path: Path, model: type[FilmFile], text: str, field: str, said: str
) -> None:
    problem = refused(written(tmp_path, text), model)
    assert problem.field_name == field
    assert said in problem.problem


def test_the_near_guess_of_a_misspelt_field_comes_before_the_field_that_is_missing(tmp_path: Path) -> None:
    problem = refused(written(tmp_path, SHOT.replace("length", "lenght")))
    assert (problem.line, problem.field_name) == (5, "shots[0].lenght")
    assert problem.mend.startswith("did you mean length")
    assert [(other.line, other.field_name) for other in problem.others] == [(4, "shots[0].length")]


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    problem = refused(written(tmp_path, SHOT.replace("12", "0") + "    size: huge\n    colour: red\n"))
    assert [(other.line, other.field_name) for other in (problem, *problem.others)] == [
        (5, "shots[0].length"),
        (6, "shots[0].size"),
        (7, "shots[0].colour"),
    ]
    assert all(other.mend in str(problem) for other in problem.others)


BOMB = "\n".join(
    ["a: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 30)]
)
MERGE_BOMB = "\n".join(
    ["a: &a0 {x: 1}"] + [f"a{level}: &a{level} {{<<: [*a{level - 1}, *a{level - 1}]}}" for level in range(1, 60)]
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "with its aliases it holds more than"),
        (MERGE_BOMB, "with its aliases it holds more than"),
        ("a: &a [*a]\n", "stands inside itself"),
        ("a: &a {b: &b {c: *a}}\n", "stands inside itself"),
        ("a: " + "[" * 2500 + "]" * 2500, "nested more than"),
        ("- " * 20_000 + "x\n", "nested more than"),
        ("x: y\n" * 400_000, "the file is larger than"),
    ],
    ids=["aliases", "merges", "itself", "around", "brackets", "dashes", "bytes"],
)
@pytest.mark.parametrize("read", [lambda path: read_yaml(path, SceneFile), load_yaml], ids=["values", "lines"])
def test_a_file_that_would_take_memory_or_minutes_is_refused_at_once(
    tmp_path: Path, text: str, said: str, read: Any
) -> None:
    path = written(tmp_path, text)
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(FilmProblem, match=said) as caught:
        read(path)
    took, (_, most) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.file == path
    assert took < 5
    assert most < 40_000_000


def test_a_file_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "SC010.yaml"
    path.symlink_to("/dev/zero")
    assert refused(path).problem == "this is no file"


def test_an_alias_that_says_the_same_twice_is_the_authors_right(tmp_path: Path) -> None:
    text = SHOT + "    cast:\n      - {character: a, at: &here [1, 0, 0]}\n      - {character: b, at: *here}\n"
    [shot] = read_yaml(written(tmp_path, text), SceneFile).shots
    assert [member.at for member in shot.cast] == [(1, 0, 0), (1, 0, 0)]
    assert read_yaml(written(tmp_path, "values: [&a 1, *a, &a 2, *a]\n"), Anything).values == [1, 1, 2, 2]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text("ab: -#'\"é墨\n", max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=15,
)


@settings(deadline=None)
@given(VALUES)
def test_whatever_yaml_can_say_is_read_as_it_was_meant(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("files") / "any.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML().dump({"values": value}, file)
    assert read_yaml(path, Anything).values == value
    assert load_yaml(path)["values"] == value


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text("ab:-[]{}&*!'\"|>%@\n\t #?,", max_size=40).map(str.encode))
def test_no_file_at_all_brings_the_film_down(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.mktemp("files"), data)
    with pytest.raises(FilmProblem) as caught:
        read_yaml(path, SceneFile)
    assert caught.value.file == path and caught.value.mend


@pytest.mark.parametrize("path", sorted(SAMPLE.rglob("*.yaml")), ids=lambda path: path.name)
def test_the_line_of_every_field_is_the_line_that_says_it(path: Path) -> None:
    document, lines = load_yaml(path), path.read_text(encoding="utf-8").splitlines()

    def check(node: Any, location: tuple[str | int, ...]) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            here = (*location, key)
            line = line_of(document, here)
            assert line is not None
            assert str(key) in lines[line - 1] if isinstance(node, dict) else lines[line - 1].strip()
            assert line_of(document, (*here, "no such field")) == line
            if isinstance(value, dict | list):
                check(value, here)

    check(document, ())


def test_a_field_is_written_as_its_author_finds_it() -> None:
    assert field_path(("shots", 1, "cast", 0, "character")) == "shots[1].cast[0].character"
    assert field_path(()) == ""


@pytest.mark.parametrize(
    "reference", ["../secret.txt", "/etc/passwd", "look/../../secret.txt", "link/secret.txt", "l\0k"]
)
def test_a_reference_that_leads_out_of_its_folder_is_refused(tmp_path: Path, reference: str) -> None:
    film = tmp_path / "film"
    film.mkdir()
    written(tmp_path, "", "secret.txt")
    (film / "link").symlink_to(tmp_path)
    with pytest.raises(FilmProblem) as caught:
        inside(film, reference)
    assert caught.value.mend


def test_a_reference_may_go_about_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(tmp_path / "there")
    for reference in ("a/b.txt", "a/../b.txt", "linked", "not/yet/there"):
        assert inside(tmp_path, reference) == tmp_path / reference


def test_opening_and_composing_a_film_leaves_every_author_file_as_it_was(tmp_path: Path) -> None:
    root = a_film(tmp_path / "film")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}
    for path in before:
        path.chmod(0o444)
    compose_all(root)
    after = {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and ".film" not in path.relative_to(root).parts
    }
    assert after == before


def test_the_file_size_that_is_refused_holds_a_long_scene(tmp_path: Path) -> None:
    sample = (SAMPLE / "shots" / "SC030.yaml").stat().st_size / 3
    assert LARGEST_BYTES / sample > 300
