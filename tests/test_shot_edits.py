"""Edits of shot files: the author's file is written when it is accepted, whole, and only as it was looked at."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from film_makers import NamedTextures, a_film

from film_pipeline.core.edits import PuppetMoved
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.cameras import compose_shot, previz_of_shot
from film_pipeline.departments.film import Film
from film_pipeline.departments.shot_edits import Accepted, Refused, accept, propose

SHOT = "SC010_SH010"
TO_THE_WINDOW = {"kind": "puppet", "character": "pim", "key": None, "at": "window"}
ASIDE = {"kind": "puppet", "character": "pim", "key": None, "at": [0.4, -0.25, 0]}
CLOSER = {"kind": "camera", "position": [0.5, -1.5, 0.9], "target": "pim", "lens_mm": 50}


@pytest.fixture
def film(tmp_path: Path) -> Iterator[Film]:
    with Film(a_film(tmp_path)) as opened:
        yield opened


def shot_file(film: Film) -> Path:
    return film.root / "shots" / "SC010.yaml"


def listing(film: Film) -> dict[str, bytes]:
    """Every file of the author's with its bytes."""
    found = (path for path in film.root.rglob("*") if path.is_file() and ".film" not in path.parts)
    return {str(path): path.read_bytes() for path in found}


def test_a_proposal_says_what_would_change_and_writes_nothing(film: Film) -> None:
    before = listing(film)
    proposal = propose(film, SHOT, ASIDE)
    assert proposal.problems == ()
    assert proposal.file == "shots/SC010.yaml"
    assert "-        at: centre\n+        at: [0.4, -0.25, 0]\n" in proposal.diff
    assert listing(film) == before
    told = proposal.as_json()
    assert told["changes"] == [{"kind": "puppet", "character": "pim", "at": [0.4, -0.25, 0.0]}]
    assert set(told) == {"shot", "file", "changes", "made_from_sha256", "diff", "problems"}


def test_an_accepted_proposal_is_the_file_and_nothing_else_is_touched(film: Film) -> None:
    shot_file(film).chmod(0o640)
    before = listing(film)
    proposal = propose(film, SHOT, [ASIDE, CLOSER])
    accepted = accept(film, proposal)
    assert isinstance(accepted, Accepted)
    after = listing(film)
    assert {path for path in before if before[path] != after[path]} == {str(shot_file(film))}
    assert set(after) == set(before)
    assert shot_file(film).read_text(encoding="utf-8") == proposal.new_text
    assert shot_file(film).stat().st_mode & 0o777 == 0o640


def test_the_film_is_then_composed_as_the_proposal_showed_it(film: Film) -> None:
    was = compose_shot(film, film.shot(SHOT), NamedTextures()).roots["pim"][1001][:3, 3]
    proposal = propose(film, SHOT, [ASIDE, CLOSER])
    accept(film, proposal)
    film_shot = film.shot(SHOT)
    composition = compose_shot(film, film_shot, NamedTextures())
    np.testing.assert_allclose(composition.roots["pim"][1001][:3, 3], [0.4, -0.25, 0])
    assert not np.allclose(was, [0.4, -0.25, 0])
    assert composition.cameras[1001].lens_mm == 50
    assert proposal.previz == previz_of_shot(film, film_shot, composition)


def test_a_file_that_was_changed_meanwhile_is_left_alone(film: Film) -> None:
    proposal = propose(film, SHOT, ASIDE)
    text = shot_file(film).read_text(encoding="utf-8") + "# a thought\n"
    shot_file(film).write_text(text, encoding="utf-8")
    refused = accept(film, proposal)
    assert refused == Refused(
        "shots/SC010.yaml has been changed since this was proposed", "look at it, and propose it again"
    )
    assert shot_file(film).read_text(encoding="utf-8") == text
    assert isinstance(accept(film, propose(film, SHOT, ASIDE)), Accepted)
    assert shot_file(film).read_text(encoding="utf-8").endswith("# a thought\n")


def test_of_two_proposals_for_the_same_file_the_second_is_refused(film: Film) -> None:
    first, second = propose(film, SHOT, ASIDE), propose(film, "SC010_SH020", CLOSER | {"target": "lamp"})
    assert isinstance(accept(film, first), Accepted)
    assert isinstance(accept(film, second), Refused)
    assert isinstance(accept(film, first), Refused)


def test_of_many_people_who_accept_at_once_one_is_heard(film: Film) -> None:
    proposals = [propose(film, SHOT, ASIDE | {"at": [number, 0, 0]}) for number in range(1, 5)]
    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda proposal: accept(film, proposal), proposals))
    (heard,) = [number for number, answer in enumerate(answers) if isinstance(answer, Accepted)]
    assert shot_file(film).read_text(encoding="utf-8") == proposals[heard].new_text
    assert [path.name for path in shot_file(film).parent.iterdir()] == ["SC010.yaml"]


@pytest.mark.parametrize(
    "change",
    [
        {"new_text": "scene: SC010\n"},
        {"new_text": ""},
        {"changes": (PuppetMoved(character="pim", facing=90),)},
    ],
)
def test_a_proposal_that_was_tampered_with_is_refused(film: Film, change: dict[str, Any]) -> None:
    before = listing(film)
    refused = accept(film, replace(propose(film, SHOT, ASIDE), **change))
    assert isinstance(refused, Refused)
    assert "not what the changes make of the file" in refused.why
    assert listing(film) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "puppet", "character": "pim", "at": "nowhere"}, "no mark 'nowhere'"),
        ({"kind": "puppet", "character": "../odile", "at": "centre"}, "nobody called '../odile'"),
        ({"kind": "puppet", "character": "pim", "key": 1003, "facing": 4}, "no key at 1003"),
        ({"kind": "camera", "target": "lamp"}, "a target needs a position"),
        ({"kind": "camera", "position": [0, 0, 1], "target": [0, 0, 1]}, "stands in what it looks at"),
    ],
)
def test_what_the_film_could_not_be_composed_with_is_a_problem_and_is_not_accepted(
    film: Film, change: dict[str, Any], says: str
) -> None:
    before = listing(film)
    proposal = propose(film, SHOT, change)
    assert says in proposal.problems[0].problem
    assert proposal.problems[0].mend
    assert proposal.previz is None
    refused = accept(film, proposal)
    assert isinstance(refused, Refused)
    assert says in refused.why
    assert listing(film) == before


def test_shots_that_the_film_does_not_have_are_refused_by_name(film: Film) -> None:
    for name in ("SC010_SH099", "../../etc/passwd", "shots/SC010.yaml", ""):
        with pytest.raises(FilmProblem, match="the film has no shot"):
            propose(film, name, ASIDE)


def test_a_byte_order_mark_stays(film: Film) -> None:
    shot_file(film).write_bytes(b"\xef\xbb\xbf" + shot_file(film).read_bytes())
    assert isinstance(accept(film, propose(film, SHOT, TO_THE_WINDOW)), Accepted)
    data = shot_file(film).read_bytes()
    assert data.startswith(b"\xef\xbb\xbfscene") or data.count(b"\xef\xbb\xbf") == 1
    assert b"at: window" in data


def test_a_linked_shot_file_stays_a_link(film: Film) -> None:
    real = film.root / "shots" / "drafts"
    real.mkdir()
    shot_file(film).rename(real / "SC010.txt")
    shot_file(film).symlink_to(real / "SC010.txt")
    assert isinstance(accept(film, propose(film, SHOT, TO_THE_WINDOW)), Accepted)
    assert shot_file(film).is_symlink()
    assert "at: window" in (real / "SC010.txt").read_text(encoding="utf-8")
