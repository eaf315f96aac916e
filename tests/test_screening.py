"""What screens ask of the frame store: newest frames, days, engines, posters, lineage; each from an index."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text
from store_makers import a_record, a_turnover, digest

from film_pipeline.core.record import Record, Reference
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.schema import FRAME_STORE
from film_pipeline.stores.screening import Screening

ROLES = ("render", "color")


@pytest.fixture
def frames(tmp_path: Path) -> Iterator[FrameStore]:
    store = FrameStore(tmp_path / "film.sqlite")
    yield store
    store.close()


def filed(
    frame: int, made_at: str, shot: str = "SC010_SH010", engine: str = "cycles", version: int = 1, role: str = "render"
) -> Record:
    record = a_record(frame, version, shot, made_at=made_at)
    content = digest(f"{shot} {version} {frame} {role} {engine}")
    place = f"shots/{shot}/{role}/v{version:03d}/{frame}.{role}"
    update = {"content_hash_sha256": content, "media_path": place, "engine_summary": (engine,), "role": role}
    return record.model_copy(update=update)


@pytest.fixture
def screening(frames: FrameStore) -> Screening:
    frames.file(
        [
            filed(1001, "2026-11-20T08:00:00+00:00"),
            filed(1003, "2026-11-20T08:00:01+00:00", engine="klein"),
            filed(1001, "2026-11-21T08:00:00+00:00", shot="SC020_SH010"),
            filed(1001, "2026-11-22T23:59:59+00:00", shot="SC020_SH010", version=2),
            filed(1001, "2026-11-22T09:00:00+00:00", shot="SC010_SH010", role="page"),
        ]
    )
    return Screening(frames)


def test_the_newest_come_first_and_only_those_of_the_roles_asked_for(screening: Screening) -> None:
    found = screening.newest(10, ROLES)
    assert [(frame.shot, frame.version, frame.frame) for frame in found] == [
        ("SC020_SH010", 2, 1001),
        ("SC020_SH010", 1, 1001),
        ("SC010_SH010", 1, 1003),
        ("SC010_SH010", 1, 1001),
    ]


def test_a_scene_a_day_and_an_engine_narrow_it(screening: Screening) -> None:
    assert len(screening.newest(10, ROLES, scene="SC020")) == 2
    assert screening.newest(10, ROLES, scene="SC02") == []
    assert [frame.version for frame in screening.newest(10, ROLES, day="2026-11-22")] == [2]
    assert [frame.frame for frame in screening.newest(10, ROLES, engine="klein")] == [1003]
    assert len(screening.newest(10, ROLES, since="2026-11-21")) == 2


def test_pages_of_the_newest_follow_each_other_without_a_gap(screening: Screening) -> None:
    seen, last = [], None
    while page := screening.newest(1, ROLES, before=last):
        seen += page
        last = (page[-1].made_at, page[-1].media_path)
    assert seen == screening.newest(10, ROLES)


def test_days_and_engines_are_those_that_frames_came_from(screening: Screening) -> None:
    assert screening.days() == ["2026-11-22", "2026-11-21", "2026-11-20"]
    assert screening.days(limit=1) == ["2026-11-22"]
    assert screening.engines() == ["cycles", "klein"]


def test_the_same_bytes_are_found_wherever_they_lie(screening: Screening, frames: FrameStore) -> None:
    again = filed(1001, "2026-11-23T08:00:00+00:00").model_copy(update={"media_path": "shots/other.exr"})
    frames.file([again])
    found = screening.with_content(again.content_hash_sha256)
    assert found[0].media_path == "shots/other.exr" and len(found) == 2
    assert screening.named([again.content_hash_sha256])[again.content_hash_sha256].media_path == "shots/other.exr"


def test_a_poster_is_the_furthest_picture_of_the_current_version(screening: Screening, frames: FrameStore) -> None:
    finished = filed(1001, "2026-11-23T08:00:00+00:00", role="color").model_copy(update={"stage": "color"})
    assert screening.poster("SC020_SH010", {}) == digest("SC020_SH010 2 1001 render cycles")
    assert screening.poster("SC020_SH010", {"render": 1}) == digest("SC020_SH010 1 1001 render cycles")
    frames.file([finished])
    assert screening.poster("SC010_SH010", {}) == finished.content_hash_sha256
    assert screening.poster("SC990_SH010", {}) == ""


def made_of(name: str, *of: str) -> Record:
    references = tuple(Reference(role="frame", name=other, sha256=digest(other)) for other in of)
    update = {"content_hash_sha256": digest(name), "media_path": f"film/{name}", "references": references}
    return a_record().model_copy(update=update)


def test_lineage_is_walked_step_by_step_and_says_where_it_was_cut_off(frames: FrameStore) -> None:
    frames.file(
        [made_of("master", "a", "b"), made_of("a", "render"), made_of("b", "render"), made_of("render", "shot")]
    )
    screening = Screening(frames)
    whole = screening.made_from(digest("master"), 50)
    assert whole.whole
    assert sorted((edge.name, edge.steps) for edge in whole.edges) == [
        ("a", 1), ("b", 1), ("render", 2), ("render", 2), ("shot", 3),
    ]  # fmt: skip
    cut = screening.made_from(digest("master"), 2)
    assert not cut.whole and len(cut.edges) == 2
    assert [file.media_path for file in screening.made_into(digest("render"))] == ["film/a", "film/b"]


def test_a_lineage_that_bites_its_tail_ends(frames: FrameStore) -> None:
    frames.file([made_of("a", "b"), made_of("b", "a")])
    assert len(Screening(frames).made_from(digest("a"), 50).edges) == 2


def test_versions_end_with_the_one_handed_over_last(frames: FrameStore) -> None:
    for version, recipe in ((1, "one"), (2, "two")):
        frames.hand_over(a_turnover(version, recipe))
    frames.hand_over(a_turnover(1, "one"))
    screening = Screening(frames)
    assert [(stage, version) for stage, version, _ in screening.versions_of("SC010_SH010")] == [
        ("color", 2),
        ("color", 1),
    ]
    found = screening.turnover("color", "SC010_SH010", 2)
    assert found is not None and found.facts == {"frames": 2}
    assert screening.turnover("color", "SC010_SH010", 3) is None
    assert frames.latest_of(["SC010_SH010", "SC990_SH010"]).keys() == {("color", "SC010_SH010")}
    assert frames.handovers() == {("color", "SC010_SH010"): 3}


def test_no_question_walks_through_all_frames(screening: Screening, frames: FrameStore) -> None:
    frames.hand_over(a_turnover())
    asked: list[tuple[str, object]] = []
    event.listen(
        frames.database._reader,
        "before_cursor_execute",
        lambda _c, _cu, statement, parameters, _co, _m: asked.append((statement, parameters)),
    )
    sha256 = digest("SC010_SH010 1 1001 render cycles")
    screening.newest(10, ROLES)
    screening.newest(10, ROLES, scene="SC010")
    screening.newest(10, ROLES, day="2026-11-20")
    screening.newest(10, ROLES, engine="klein")
    screening.days()
    screening.engines()
    screening.with_content(sha256)
    screening.named([sha256])
    screening.poster("SC010_SH010", {})
    screening.made_from(sha256, 10)
    screening.made_into(sha256)
    screening.versions_of("SC010_SH010")
    frames.latest_of(["SC010_SH010"])
    questions = [(statement, parameters) for statement, parameters in asked if statement.startswith(("SELECT", "WITH"))]
    assert len(questions) > 15
    with frames.database.reading() as connection:
        for statement, parameters in questions:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            for step in (row[-1] for row in plan):
                assert not step.startswith("SCAN") or "USING" in step, (statement, step)


def test_a_store_of_the_first_version_learns_what_made_its_frames(tmp_path: Path, frames: FrameStore) -> None:
    frames.file([filed(1001, "2026-11-20T08:00:00+00:00", engine="klein")])
    with frames.database.writing() as connection:
        for statement in (
            "DROP INDEX frames_by_engine",
            "DROP INDEX frames_by_time",
            "ALTER TABLE frames DROP COLUMN engine",
            "UPDATE alembic_version SET version_num = '0001'",
        ):
            connection.execute(text(statement))
    frames.close()
    again = FrameStore(tmp_path / "film.sqlite")
    assert Screening(again).engines() == ["klein"]
    with again.database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == FRAME_STORE.head
    again.close()
