"""Credentials are read only for what the gate let through, and never seen again."""

import copy
import json
import logging
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backend_makers import (
    KEY,
    SHOT,
    WATCH,
    CountedEnvironment,
    a_job,
    a_production,
    a_ticket,
    an_approval,
    some_credentials,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from film_pipeline.backends.credentials import RUNPOD_ORDER, RUNPOD_WATCH, Credentials, Order, Secret
from film_pipeline.core.gate import Admission, GateLocked
from film_pipeline.core.problems import FilmProblem

PRODUCTION = a_production()


def admission(**changes: object) -> Admission:
    return Admission(a_ticket("pods"), an_approval(["pods"], **changes))


def test_a_credential_is_given_for_what_a_signature_stands_behind(tmp_path: Path) -> None:
    order = some_credentials(tmp_path, PRODUCTION).for_order(admission(), "pods", RUNPOD_ORDER)
    assert order.bearer is not None and order.bearer.reveal() == KEY


def forged() -> Admission:
    return Admission(a_ticket("pods"), an_approval(["pods"], key=Ed25519PrivateKey.generate()))


def edited() -> Admission:
    good = admission()
    return replace(good, approval=good.approval.model_copy(update={"takes": 400}))


def unsigned() -> Admission:
    good = admission()
    return replace(good, approval=good.approval.model_copy(update={"signature": ""}))


def expired() -> Admission:
    return admission(expires_at=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())


def of_another_film() -> Admission:
    return admission(production="another-film")


def of_another_shot() -> Admission:
    good = admission()
    return replace(good, ticket=replace(good.ticket, shot="SC010_SH030"))


def under_another_approval() -> Admission:
    good = admission()
    return replace(good, ticket=replace(good.ticket, approval="approval-2"))


def for_another_backend() -> Admission:
    return Admission(a_ticket("pods"), an_approval(["local-klein"]))


def for_a_hero() -> Admission:
    good = admission()
    return replace(good, ticket=replace(good.ticket, work="hero"))


@pytest.mark.parametrize(
    "made",
    [
        forged,
        edited,
        unsigned,
        expired,
        of_another_film,
        of_another_shot,
        under_another_approval,
        for_another_backend,
        for_a_hero,
    ],
)
def test_an_admission_that_nobody_stands_behind_opens_nothing_and_nothing_is_read(made, tmp_path: Path) -> None:
    environment = CountedEnvironment({RUNPOD_ORDER: KEY})
    with pytest.raises(GateLocked):
        Credentials(environment, PRODUCTION, tmp_path).for_order(made(), "pods", RUNPOD_ORDER)
    assert environment.reads == []


def test_what_only_looks_like_an_admission_opens_nothing(tmp_path: Path) -> None:
    class Lookalike:
        ticket, approval = a_ticket("pods"), an_approval(["pods"])

    with pytest.raises(GateLocked, match="through the gate"):
        some_credentials(tmp_path, PRODUCTION).for_order(Lookalike(), "pods", RUNPOD_ORDER)  # type: ignore[arg-type]


def test_an_admission_is_good_for_one_order(tmp_path: Path) -> None:
    credentials, admitted = some_credentials(tmp_path, PRODUCTION), admission()
    credentials.for_order(admitted, "pods", RUNPOD_ORDER)
    with pytest.raises(GateLocked, match="has been sent already"):
        credentials.for_order(admitted, "pods", RUNPOD_ORDER)


def test_an_order_is_made_by_nobody_else() -> None:
    with pytest.raises(TypeError):
        Order(object(), a_job(), "pods", "approval-1", Secret(KEY))


def test_an_order_is_for_its_own_job_only(tmp_path: Path) -> None:
    admitted = admission()
    order = some_credentials(tmp_path, PRODUCTION).for_order(admitted, "pods", RUNPOD_ORDER)
    order.must_be_for(admitted.ticket.job)
    with pytest.raises(GateLocked):
        order.must_be_for(a_job())


def test_a_secret_shows_itself_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(KEY)
    order = some_credentials(tmp_path, PRODUCTION).for_order(admission(), "pods", RUNPOD_ORDER)
    credentials = some_credentials(tmp_path, PRODUCTION)
    logging.getLogger("film").warning("%s %r %s", secret, order, credentials)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", repr([secret, order]), caplog.text]
    assert not any(KEY in text for text in shown)
    for leaking in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            leaking(secret)
        with pytest.raises(TypeError):
            leaking(order)
    assert not hasattr(secret, "__dict__")


def test_watching_has_a_credential_of_its_own(tmp_path: Path) -> None:
    environment = CountedEnvironment({RUNPOD_ORDER: KEY, RUNPOD_WATCH: WATCH})
    secret = Credentials(environment, PRODUCTION, tmp_path).for_watching((RUNPOD_WATCH, RUNPOD_ORDER))
    assert secret is not None and secret.reveal() == WATCH
    assert RUNPOD_ORDER not in environment.reads


def test_pods_have_tokens_of_their_own_that_tell_nothing_of_the_key(tmp_path: Path) -> None:
    credentials = some_credentials(tmp_path, PRODUCTION)
    one, other = credentials.pod_token("film_a_pods_1"), credentials.pod_token("film_a_pods_2")
    assert one.reveal() != other.reveal() and len(one.reveal()) == 64
    assert some_credentials(tmp_path, PRODUCTION).pod_token("film_a_pods_1").reveal() == one.reveal()


def test_a_missing_credential_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(FilmProblem, match=f"{RUNPOD_ORDER} is not set"):
        Credentials({}, PRODUCTION, tmp_path).for_order(admission(), "pods", RUNPOD_ORDER)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "credentials"
    path.parent.mkdir()
    path.write_text(f"# ours\nexport {RUNPOD_ORDER}='{KEY}'\n{RUNPOD_WATCH}={WATCH}\n")
    path.chmod(0o600)
    return path


def from_file(path: Path, root: Path) -> Secret | None:
    root.mkdir(exist_ok=True)
    return Credentials({"FILM_CREDENTIALS": str(path)}, PRODUCTION, root).for_watching((RUNPOD_WATCH,), needed=False)


def test_credentials_may_stand_in_a_file_of_their_own(outside: Path, tmp_path: Path) -> None:
    secret = from_file(outside, tmp_path / "film")
    assert secret is not None and secret.reveal() == WATCH


def test_a_file_that_others_may_read_is_refused(outside: Path, tmp_path: Path) -> None:
    outside.chmod(0o640)
    with pytest.raises(FilmProblem, match="others may read"):
        from_file(outside, tmp_path / "film")


def test_a_file_inside_the_production_or_a_repository_is_refused(outside: Path, tmp_path: Path) -> None:
    with pytest.raises(FilmProblem, match="lies in the production"):
        from_file(outside, outside.parent)
    (tmp_path / ".git").mkdir()
    with pytest.raises(FilmProblem, match="lies in a repository"):
        from_file(outside, tmp_path / "film")


def test_a_link_into_the_production_does_not_help(outside: Path, tmp_path: Path) -> None:
    root = tmp_path / "film"
    root.mkdir()
    inside = root / "keys"
    outside.rename(inside)
    outside.symlink_to(inside)
    with pytest.raises(FilmProblem, match="lies in the production"):
        from_file(outside, root)


def test_the_shot_is_named_where_the_gate_is_locked(tmp_path: Path) -> None:
    with pytest.raises(GateLocked, match=SHOT):
        some_credentials(tmp_path, PRODUCTION).for_order(expired(), "pods", RUNPOD_ORDER)
