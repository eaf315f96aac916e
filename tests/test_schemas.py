"""The published schemas and the page of all fields: true to the models, true to the committed docs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from film_makers import FILES as SMALL_FILM
from film_makers import SAMPLE
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from ruamel.yaml import YAML

from film_pipeline.core.files import FilmFile
from film_pipeline.core.schemas import AUTHORS_FILES, AuthorsFile, schema_of
from film_pipeline.docs_of_files import DOCS, FILES, _models_of, files_page, written_docs

A_SHOT: dict[str, Any] = {"id": "SH010", "length": 4}
A_SLOT: dict[str, Any] = {"label": "One", "prompt": "{SUBJ} waits", "shot": "SH010"}
A_PERSON: dict[str, Any] = {"name": "ada", "discord_id": "1300000000000000042", "role": "reviewer"}
BY_NAME = {file.name: file for file in FILES}
PATHS = sorted(path for path in SAMPLE.parent.rglob("*.yaml") if ".film" not in path.parts)


def kind_of(path: Path) -> AuthorsFile:
    """Which kind of file lies at a path of a production."""
    place = {
        "production.yaml": "production",
        "character.yaml": "character",
        "set.yaml": "set",
        "look.yaml": "look",
        "heroes.yaml": "heroes",
    }
    return BY_NAME[place.get(path.name, path.parent.name)]


def as_json(text: str) -> Any:
    """A YAML document as a JSON program sees it: all keys are text."""
    return json.loads(json.dumps(YAML(typ="safe").load(text)))


def refusals(file: AuthorsFile, written: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema_of(file)).iter_errors(written)]


def test_the_committed_docs_are_what_the_models_say_now() -> None:
    committed = {str(path.relative_to(DOCS)) for path in (DOCS / "schemas").glob("*")} | {"files.md"}
    assert committed == set(written_docs())
    for name, text in written_docs().items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, f"docs/{name} is out of date: run make docs"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_has_a_schema_that_is_one(file: AuthorsFile) -> None:
    schema = schema_of(file)
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert set(file.documented.model_fields) <= set(schema["properties"])
    assert set(file.model.model_fields) <= set(schema["properties"])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_of_the_productions_keeps_to_its_schema(path: Path) -> None:
    assert refusals(kind_of(path), as_json(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("name", [name for name in SMALL_FILM if name.endswith(".yaml")])
def test_a_schema_refuses_a_field_that_there_is_not(name: str) -> None:
    written = as_json(SMALL_FILM[name])
    file = kind_of(Path(name))
    assert refusals(file, written) == []
    assert any("colour" in refusal for refusal in refusals(file, {**written, "colour": 1}))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("production", {"name": "film", "title": "T", "fps": 23.976}),
        ("production", {"name": "film", "title": "T", "budget": "12.50"}),
        ("look", {"cdl": "grades/show.cc"}),
        ("look", {"cdl": {"file": "grades/show.cc"}}),
        ("look", {"monochrome": {"tint": "moon"}, "scenes": {"SC010": {"vfx": {"ink": False, "glow": {"amount": 1}}}}}),
        ("shots", {"scene": "SC010", "set": "a", "shots": [{**A_SHOT, "light": {"key": {"levels": {"1001": 0}}}}]}),
        ("shots", {"scene": "SC010", "set": "a", "shots": [{**A_SHOT, "subject": ["pim", "odile"]}]}),
        ("heroes", {"cast": {"pim": "a courier"}, "scenes": {"SC010": {"slots": [A_SLOT]}}}),
        (
            "production",
            {"name": "film", "title": "T", "people": [A_PERSON], "discord": {"circle": "ok:123456789012345678"}},
        ),
    ],
)
def test_a_schema_takes_what_the_film_takes(name: str, written: dict[str, Any]) -> None:
    assert refusals(BY_NAME[name], written) == []


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("production", {"name": "My Film", "title": "T"}),
        ("production", {"name": "film"}),
        ("shots", {"scene": "SC010", "set": "a", "shots": []}),
        ("shots", {"scene": "SC010", "set": "a", "shots": [{"id": "SH010", "length": 0}]}),
        ("shots", {"scene": "SC010", "set": "a", "shots": [{"id": "SH010", "length": 4, "size": "medum"}]}),
        ("set", {"name": "a", "pieces": [{"name": "a", "kind": "dsk"}]}),
        ("character", {"name": "a", "face": {"heavy_lids": 2}}),
        ("look", {"vfx": [{"op": "rain"}]}),
        ("look", {"scenes": {"SC010": {"grian": {}}}}),
        ("sound", {"cues": [{"sound": "bang"}]}),
        ("heroes", {"scenes": {"SC010": {"slots": []}}}),
        ("heroes", {"scenes": {"scene 1": {"slots": [A_SLOT]}}}),
        ("production", {"name": "film", "title": "T", "people": [{**A_PERSON, "discord_id": "ada#1234"}]}),
        ("production", {"name": "film", "title": "T", "people": [{**A_PERSON, "role": "boss"}]}),
    ],
)
def test_a_schema_refuses_what_the_film_refuses(name: str, written: dict[str, Any]) -> None:
    assert refusals(BY_NAME[name], written)
    if name != "look":
        with pytest.raises(ValidationError):
            BY_NAME[name].model.model_validate(written)


MODELS = list(dict.fromkeys(model for file in FILES for model in _models_of(file.documented)))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_says_what_it_means(model: type[FilmFile]) -> None:
    assert model.__doc__
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} has no description"
        assert not field.description.endswith(".")


def test_the_page_lists_every_field_of_every_model_once_and_every_link_leads_somewhere() -> None:
    page = files_page()
    assert len({model.__name__ for model in MODELS}) == len(MODELS)
    for model in MODELS:
        for name in model.model_fields:
            assert f"| `{name}` |" in page
    rows = len(re.findall(r"^\| `", page, re.MULTILINE))
    assert rows == sum(len(model.model_fields) for model in MODELS) + len({"scenes"})
    targets = {
        *re.findall(r'<a id="(\w+)">', page),
        *(name.lower() for name in re.findall(r"^### (\w+)", page, re.MULTILINE)),
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= targets
    for schema in re.findall(r"\]\((schemas/[^)]+\.json)\)", page):
        assert (DOCS / schema).is_file()


def test_the_core_knows_its_own_files_and_others_add_theirs() -> None:
    assert [file.path for file in AUTHORS_FILES] == [
        "production.yaml",
        "shots/<SC010>.yaml",
        "cast/<name>/character.yaml",
        "sets/<name>/set.yaml",
        "look/look.yaml",
        "heroes.yaml",
    ]
    assert FILES[: len(AUTHORS_FILES)] == AUTHORS_FILES
    assert [file.name for file in FILES[len(AUTHORS_FILES) :]] == ["sound"]
