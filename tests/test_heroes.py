"""Heroes: how they are cast and worded, how they go through the gate, and what is filed."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from math import gcd
from pathlib import Path
from typing import Any

import pytest
from composed_film import FIRST, HEROES, LOCAL, PASSPHRASE, SECOND, SERVERLESS, ComposedFilm, composed_film, copy_of
from film_makers import SAMPLE
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from typer.testing import CliRunner

from film_pipeline import simulators
from film_pipeline.assets.call_sheet import metadata_of
from film_pipeline.cli import app
from film_pipeline.core.gate import Cleared, GateLocked, Locked
from film_pipeline.core.heroes import HeroFile, HeroSlot, cast_for, scene_number
from film_pipeline.core.jobs import JobState, Move
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.record import Record, Turnover
from film_pipeline.departments.casting import heroes_of, lead_heroes
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import AtGate, Current, Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.gatekeeping import another_take, quote, say_of_take, scene_at_gate
from film_pipeline.hero_pass import QueuedHero, queue_heroes
from film_pipeline.orchestrator.orders import Orders
from film_pipeline.stores.filing import sidecar_of
from film_pipeline.stores.rebuild import rebuild, verify


@pytest.fixture(scope="module")
def _composed(tmp_path_factory: pytest.TempPathFactory) -> ComposedFilm:
    return composed_film(tmp_path_factory.mktemp("composed"), LOCAL)


@pytest.fixture
def film(_composed: ComposedFilm, tmp_path: Path) -> ComposedFilm:
    return copy_of(_composed, tmp_path)


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with simulators.comfyui(tmp_path / "comfyui", frame_s=0.02, load_s=0.0, node_s=0.0) as server:
        monkeypatch.setenv("COMFYUI_URL", server.url)
        yield server


def made(film: ComposedFilm, shot: str = FIRST) -> Turnover:
    """The hero of a shot, as it is made now."""
    outcomes = {outcome.shot: outcome for outcome in film.work("heroes")}
    turnover = outcomes[shot].turnover
    assert turnover is not None, outcomes[shot]
    return turnover


def record_of(film: ComposedFilm, turnover: Turnover) -> Record:
    [item] = turnover.of("hero")
    return Record.model_validate_json(sidecar_of(film.root / ".film" / item.path).read_bytes())


def gate_of(film: ComposedFilm, work: Any = "hero", shot: str = FIRST) -> Any:
    with film.open() as opened:
        scene = scene_at_gate(opened, shot, work=work)
        return opened.ledger.verdict(shot, work, scene.covered(), list(scene.backends))


# Casting


def test_a_scene_has_the_number_that_a_script_gives_it() -> None:
    assert [scene_number(scene) for scene in ("SC010", "SC030", "SC035", "SC120", "SC010A")] == [1, 3, 35, 12, 1]


def test_casting_takes_every_seventh_in_turn_as_the_hero_pass_does() -> None:
    cast = ["ada", "ben", "cleo"]
    scenes = [f"SC{number:02}0" for number in range(1, 6)]
    assert [cast_for(scene, cast) for scene in scenes] == [cast[number * 7 % 3] for number in range(1, 6)]


@given(st.integers(1, 40), st.integers(1, 90))
def test_nobody_is_left_out_and_neighbours_differ(people: int, start: int) -> None:
    cast = [str(number) for number in range(people)]
    row = [cast_for(f"SC{number:03}0", cast) for number in range(start, start + people)]
    assert sorted(row) == sorted(cast)


def test_the_step_is_the_seeds_wherever_that_leaves_nobody_out() -> None:
    for people in (2, 3, 5, 6, 8, 13):
        assert gcd(7, people) == 1
        assert cast_for("SC030", range(people)) == 21 % people  # type: ignore[comparison-overlap, arg-type]


# heroes.yaml


def a_slot(**fields: Any) -> dict[str, Any]:
    return {"label": "One", "prompt": "{SUBJ} waits", "shot": "SH010", **fields}


def test_a_prompt_is_the_slots_words_then_performance_then_camera() -> None:
    written = HeroFile(cast={"pim": "Pim, a courier"}, performance="a held pose", camera="one hard key")
    assert written.prompt_of(HeroSlot(**a_slot()), "pim") == "Pim, a courier waits, a held pose, one hard key"
    own = HeroSlot(**a_slot(camera="a long lens", prompt="{SUBJ} and again {SUBJ}"))
    assert written.prompt_of(own, "pim") == "Pim, a courier and again Pim, a courier, a held pose, a long lens"
    assert written.prompt_of(HeroSlot(**a_slot(prompt="a door")), "") == "a door, one hard key", "nobody performs"


def test_a_description_is_filled_in_as_it_stands() -> None:
    written = HeroFile(cast={"pim": r"{SUBJ} \1 $0 {x}"})
    assert written.prompt_of(HeroSlot(**a_slot(prompt="<{SUBJ}>")), "pim") == r"<{SUBJ} \1 $0 {x}>"


@pytest.mark.parametrize("prompt", ["{SUBJECT} waits", "{subj}", "{", "a } b", "{SUBJ} and {}", "", "x" * 2001])
def test_a_slot_has_one_thing_to_fill_in(prompt: str) -> None:
    with pytest.raises(ValidationError):
        HeroSlot(**a_slot(prompt=prompt))


def test_two_slots_of_a_scene_are_of_two_shots() -> None:
    with pytest.raises(ValidationError, match="two slots name SH010"):
        HeroFile.model_validate({"scenes": {"SC010": {"slots": [a_slot(), a_slot(label="Two")]}}})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("shot: SH020", "shot: SH090", "SC010 has no shot SH090"),
        ("frame: 1006", "frame: 1090", "outside the shot"),
        ("frame: 1006", "frame: 1006, cast: [ghost]", "says nothing of ghost"),
        ("shot: SH010", "shot: 10", "shot"),
        ("'{SUBJ} over", "'{WHO} over", "means nothing here"),
        ("SC010:", "SC090:", "SC090 has no shot"),
        ("maker: a maker", "maker_2: a maker", "nobody can be cast"),
        ("performance:", "perfomance:", "perfomance"),
    ],
)
def test_a_mistake_names_its_file_its_line_and_its_mend(film: ComposedFilm, old: str, new: str, said: str) -> None:
    assert old in HEROES
    film.write("heroes.yaml", HEROES.replace(old, new, 1))
    with film.open() as opened, pytest.raises(FilmProblem) as raised:
        heroes_of(opened)
    told = str(raised.value)
    assert said in told
    assert re.search(r"heroes\.yaml:[1-9]", told), told
    assert raised.value.mend


def test_whoever_is_not_in_the_composition_is_not_cast(film: ComposedFilm) -> None:
    cast = HEROES.replace("cast:\n", "cast:\n  ghost: a ghost\n", 1)
    film.write("heroes.yaml", cast)
    with film.open() as opened:
        assert heroes_of(opened)[FIRST].subject == "maker"
    film.write("heroes.yaml", cast.replace("frame: 1006", "cast: [ghost]"))
    with film.open() as opened, pytest.raises(FilmProblem, match="ghost is not in SC010_SH010"):
        heroes_of(opened)


def test_a_frame_that_is_held_stands_for_its_exposure(film: ComposedFilm) -> None:
    with film.open() as opened:
        heroes = heroes_of(opened)
    assert heroes[FIRST].frame == 1005, "1006 shows what was exposed at 1005"
    assert heroes[SECOND].frame == 1001


def test_every_scene_of_the_sample_film_has_its_hero() -> None:
    with Film(SAMPLE) as opened:
        leads = lead_heroes(opened)
        assert [hero.scene for hero in leads] == [scene.id for scene in opened.screenplay.scenes]
        heroes = heroes_of(opened)
        assert set(heroes) == set(opened.shots), "and every shot a still that can be made"
    assert {hero.subject for hero in leads} == {"odile", "pim"}
    assert all("{" not in hero.prompt for hero in heroes.values())


def test_a_broken_file_is_told_once_and_stops_nothing_else(film: ComposedFilm) -> None:
    film.write("heroes.yaml", "scenes: [")
    with film.open() as opened:
        line = Line(opened, DEPARTMENTS)
        assert [outcome.problem for outcome in line.work("look", [FIRST])] == [None]
        for _ in range(2):
            assert line.work("heroes", [FIRST, SECOND]) == []
        assert [problem.file.name for problem in opened.problems if problem.file] == ["heroes.yaml"]


# The gate


def test_a_hero_and_a_take_are_signed_for_apart(film: ComposedFilm) -> None:
    film.sign(FIRST, "hero", takes=2)
    assert isinstance(gate_of(film, "hero"), Cleared)
    assert "nobody has signed for SC010_SH010 (take)" in str(gate_of(film, "take"))
    with film.open() as opened, pytest.raises(GateLocked):
        another_take(opened, FIRST, "director", "cli")


def test_what_nobody_asked_for_is_no_work_and_waits_for_nobody(film: ComposedFilm) -> None:
    assert film.work("heroes") == []
    film.sign(FIRST, "hero")
    with film.open() as opened:
        assert Line(opened, DEPARTMENTS).shots_of(DEPARTMENTS["heroes"], [FIRST, SECOND]) == [FIRST]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("heroes.yaml", "over the bench", "under the bench", "the direction changed"),
        ("heroes.yaml", "in a leather apron", "in a straw hat", "the direction changed"),
        ("heroes.yaml", "a held pose", "a wild pose", "the direction changed"),
        ("look/look.yaml", "near-monochrome", "in full colour", "the direction changed"),
        ("shots/SC010.yaml", "{frame: 1005, pose: think}", "{frame: 1005, pose: reach}", "the composition changed"),
    ],
)
def test_what_was_signed_locks_the_gate_when_it_changes(
    film: ComposedFilm, file: str, old: str, new: str, said: str
) -> None:
    film.sign(FIRST, "hero")
    film.small.edit(file, old, new)
    film.compose()
    verdict = gate_of(film)
    assert isinstance(verdict, Locked)
    assert said in str(verdict)
    with film.open() as opened:
        state = Line(opened, DEPARTMENTS).state("heroes", FIRST)
    assert isinstance(state, AtGate)
    assert said in state.why


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("heroes.yaml", "a face, thinking", "a face, asleep"),
        ("heroes.yaml", "At the bench", "At the work bench"),
        ("shots/SC010.yaml", "{frame: 1001, pose: look_down}", "{frame: 1001, pose: look_down, face: {blink: 1.0}}"),
        ("shots/SC010.yaml", "action: The Maker stands", "action: The Maker still stands"),
    ],
)
def test_what_is_not_in_the_still_does_not_lock_it(film: ComposedFilm, file: str, old: str, new: str) -> None:
    film.sign(FIRST, "hero", takes=2)
    film.small.edit(file, old, new)
    film.compose()
    assert isinstance(gate_of(film), Cleared)


def test_a_backend_that_is_not_for_heroes_is_not_asked(film: ComposedFilm) -> None:
    plans = {**LOCAL, **{name: {**plan, "purposes": ["frame"]} for name, plan in SERVERLESS.items()}}
    film.change(generation=plans, backends=list(plans))
    with film.open() as opened:
        assert list(scene_at_gate(opened, FIRST, work="hero").backends) == ["klein-local"]
        assert list(scene_at_gate(opened, FIRST).backends) == ["klein-local", "image-edit"]
    film.change(backends=["image-edit"])
    with film.open() as opened, pytest.raises(FilmProblem, match="no backend is for a hero"):
        scene_at_gate(opened, FIRST, work="hero")


def test_a_shot_without_a_slot_has_no_hero(film: ComposedFilm) -> None:
    film.write("heroes.yaml", HEROES.rpartition("      - ")[0])
    with film.open() as opened, pytest.raises(FilmProblem, match="no slot of this shot"):
        quote(opened, SECOND, work="hero")


# Making them


def test_a_hero_is_filed_with_its_record_beside_the_takes(film: ComposedFilm, comfy: Any) -> None:
    film.sign(FIRST, "hero")
    film.sign(FIRST, "take")
    hero = made(film)
    [take] = [outcome.turnover for outcome in film.work("render", [FIRST])]
    assert take is not None
    assert (take.version, hero.version) == (1, 1)
    record = record_of(film, hero)
    assert (record.lineage.kind, record.role, record.lineage.shot) == ("render", "hero", FIRST)
    assert (record.frame, record.take, record.certified_by) == (1005, 1, "director")
    detail = record.lineage.events[0].detail
    assert (detail["scene"], detail["label"], detail["slot"], detail["cast"]) == ("SC010", "At the bench", 1, "maker")
    assert detail["prompt"].startswith("a maker in a leather apron over the bench, a held pose, one hard key light")
    assert "near-monochrome" in detail["prompt"], "the look is in it"
    assert [reference.role for reference in record.references] == ["composition", "plate", "pose", "character"]
    with film.open() as opened:
        assert list(verify(opened.made, opened.frames)) == []
        rebuilt = rebuild(opened.made, opened.frames)
        assert rebuilt.problems == []
        assert opened.frames.latest("heroes", FIRST) == hero
        assert opened.frames.latest("render", FIRST) == take


def test_a_hero_is_as_large_as_the_film_and_stands_in_the_metadata(film: ComposedFilm, comfy: Any) -> None:
    film.change(quality={"scale": 0.5}, resolution=[256, 144])
    film.compose()
    film.sign(FIRST, "hero")
    hero = made(film)
    [item] = hero.of("hero")
    with Image.open(film.root / ".film" / item.path) as picture:
        assert picture.size == (256, 144)
    shown = metadata_of(hero, True, "http://review")
    assert f"http://review/thumbnails/{item.sha256}.jpg" in shown["pictures"].value
    assert (shown["label"], shown["cast"]) == ("At the bench", "maker")


def test_a_hero_is_made_once(film: ComposedFilm, comfy: Any) -> None:
    film.sign(FIRST, "hero")
    assert made(film) == made(film)
    assert len(comfy.bill().orders) == 1


def test_another_take_has_another_seed_and_its_direction(film: ComposedFilm, comfy: Any) -> None:
    film.sign(FIRST, "hero", takes=3)
    first = record_of(film, made(film)).lineage.events[0].detail
    for direction in ("", "colder light"):
        with film.open() as opened:
            another_take(opened, FIRST, "director", "cli", direction, work="hero")
    third = record_of(film, made(film)).lineage.events[0].detail
    assert third["prompt"] == f"colder light, {first['prompt']}"
    with film.open() as opened:
        turnovers = opened.frames.versions("heroes", FIRST)
        records = [opened.frames.record_at(turnover.of("hero")[0].path) for turnover in turnovers]
    seeds = [record.lineage.events[0].detail["seed"] for record in records if record is not None]
    assert len(set(seeds)) == len(seeds) == 3
    assert len({turnover.of("hero")[0].sha256 for turnover in turnovers}) == 3
    assert not comfy.bill().ordered_twice()


def test_the_circled_hero_is_the_one_that_stands(film: ComposedFilm, comfy: Any) -> None:
    film.sign(FIRST, "hero", takes=2)
    with film.open() as opened:
        another_take(opened, FIRST, "director", "cli", work="hero")
    assert made(film).version == 2
    with film.open() as opened:
        say_of_take(opened, FIRST, 1, "circle", "director", "cli", work="hero")
        assert opened.ledger.verdicts.circled(FIRST) is None, "the shot's own takes are not spoken of"
    assert made(film).version == 1
    with film.open() as opened:
        with pytest.raises(FilmProblem, match="the hero of SC010_SH010 has no take 3"):
            say_of_take(opened, FIRST, 3, "circle", "director", "cli", work="hero")
        for take in (1, 2):
            say_of_take(opened, FIRST, take, "reject", "director", "cli", work="hero")
        state = Line(opened, DEPARTMENTS).state("heroes", FIRST)
        assert isinstance(state, AtGate)
        assert f"film take {FIRST} --hero" in state.why or "taken" in state.why


def test_heroes_on_a_paid_backend_cost_what_the_provider_bills(
    film: ComposedFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints = {"klein": {"worker": "prompt-and-references", "usd_per_image": "0.04", "frame_s": 0.02, "cold_s": 0.05}}
    film.change(generation=SERVERLESS, backends=list(SERVERLESS))
    with simulators.runpod_serverless(
        tmp_path / "runpod", key="order", watch_key="watch", endpoints=endpoints
    ) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", "order")
        monkeypatch.setenv("RUNPOD_WATCH_KEY", "watch")
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", f"{server.url}/v2")
        film.sign(FIRST, "hero", cap="0.05")
        with film.open() as opened:
            assert quote(opened, FIRST, work="hero").backends[0].quote.cost_usd == Decimal("0.04")
        assert record_of(film, made(film)).lineage.events[0].cost_usd == 0.04
        with film.open() as opened:
            assert opened.ledger.spend.total().settled_usd == server.bill().total_usd == Decimal("0.04")
            assert opened.ledger.spend.audit() == []


def test_frames_of_a_take_that_a_dead_run_left_are_not_taken_for_the_hero(film: ComposedFilm, comfy: Any) -> None:
    """Both are jobs of one shot: each is brought home by its own department."""
    film.sign(FIRST, "take")
    film.sign(FIRST, "hero")
    with film.open() as opened:
        orphan = _order_of_a_dead_run(opened)
    hero = made(film)
    assert [item.role for item in hero.items] == ["hero"]
    with film.open() as opened:
        job = opened.ledger.jobs.one(orphan)
        assert job is not None
        assert job.state is JobState.SUBMITTED, "it is left to the render department"
    [outcome] = film.work("render", [FIRST])
    assert outcome.problem is None
    with film.open() as opened:
        job = opened.ledger.jobs.one(orphan)
        assert job is not None
        assert job.state in (JobState.INDEXED, JobState.LOST)
        assert list(verify(opened.made, opened.frames)) == []


def _order_of_a_dead_run(film: Film) -> str:
    """The first frame of the take, submitted and then left by whoever did it. Its job."""
    from film_pipeline.core.gate import Order, Reserved
    from film_pipeline.departments.generation import wanted_frames

    scene = scene_at_gate(film, FIRST)
    covered, [take] = scene.covered(), film.ledger.takes.of(FIRST)
    work = next(iter(wanted_frames(scene, take, covered).values()))
    placed = film.ledger.reserve(
        [Order(FIRST, "take", take.take, work.frame, work.sha256, covered, "klein-local", Decimal(0))]
    )
    assert isinstance(placed, Reserved)
    [ticket] = placed.to_submit
    Orders(film.made / "orders").keep({ticket.job: work})
    film.ledger.admit(ticket, covered)
    film.ledger.move(Move(ticket.job, JobState.SUBMITTED, ticket.job))
    return ticket.job


# The pass


def test_the_pass_asks_for_what_is_signed_and_says_what_the_others_wait_for(film: ComposedFilm) -> None:
    def passed(ask: bool = True) -> QueuedHero:
        with film.open() as opened:
            [queued] = queue_heroes(opened, ask=ask)
        return queued

    assert "nobody has signed for SC010_SH010 (hero)" in passed().waits
    film.sign(FIRST, "hero", takes=2)
    again = [passed(), passed(ask=False)]
    assert [[take.take for take in queued.takes] for queued in again] == [[1], [1]], "it asks for one, once"
    assert again[0].waits == ""
    with film.open() as opened:
        say_of_take(opened, FIRST, 1, "reject", "director", "cli", work="hero")
    assert f"film take {FIRST} --hero" in passed().waits, "what was rejected is not asked for again by itself"


def test_an_approval_whose_take_was_never_opened_gets_it_from_the_pass(film: ComposedFilm) -> None:
    approval, take = film.sign(FIRST, "hero", takes=2)
    with film.open() as opened, opened.ledger.books.writing() as connection:
        # As if whoever signed had been stopped between the approval and the take.
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS takes_are_kept")
        for trigger in (
            connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type='trigger'").scalars().all()
        ):
            if trigger.startswith(("takes", "take_approvals")):
                connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        connection.exec_driver_sql("DELETE FROM takes")
        connection.exec_driver_sql("DELETE FROM take_approvals")
    for _ in range(2):
        with film.open() as opened:
            [queued] = queue_heroes(opened)
        assert [one.approval for one in queued.takes] == [approval.id]
    assert queued.takes[0].take == take.take


def test_a_scene_that_has_no_hero_is_named(film: ComposedFilm) -> None:
    with film.open() as opened, pytest.raises(FilmProblem, match="SC020 has no hero"):
        queue_heroes(opened, ["SC020"])
    film.write("heroes.yaml", "performance: a held pose\n")
    with film.open() as opened, pytest.raises(FilmProblem, match="nobody has described any heroes"):
        queue_heroes(opened)


def test_the_pass_from_the_command_line(film: ComposedFilm, comfy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILM_KEY_PASSPHRASE", PASSPHRASE)

    def told(*words: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*words, "--production", str(film.root), "--json"])
        assert done.exit_code == 0, done.output
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    [shown] = told("heroes", "--show")["heroes"]
    assert (shown["scene"], shown["cast"], shown["takes"]) == ("SC010", "maker", [])
    key = str(film.keys / "director.pem")
    signed = told("approve", FIRST, "--hero", "--cap", "1", "--takes", "2", "--as", "director", "--key", key)
    assert (signed["approval"]["work"], signed["take"]) == ("hero", 1)
    quoted = told("quote", FIRST, "--hero")
    assert (quoted["gate"], quoted["backends"][0]["backend"]) == ("open", "klein-local"), "an open gate has prices too"
    assert told("take", FIRST, "--hero", "--direction", "colder")["take"] == 2
    assert told("circle", FIRST, "1", "--hero")["work"] == "hero"
    assert told("reject", FIRST, "2", "--hero")["verdict"] == "reject"

    done = film.small.film("heroes", "--scenes", "SC010", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["made"] == [{"department": "heroes", "shot": FIRST}]
    assert [take["standing"] for take in document["heroes"][0]["takes"]] == ["circled", "rejected"]
    with film.open() as opened:
        state = Line(opened, DEPARTMENTS).state("heroes", FIRST)
        assert isinstance(state, Current)
        assert state.turnover.version == 1
        assert opened.frames.latest("render", FIRST) is None, "nothing else was made"
