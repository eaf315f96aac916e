"""Keys, production.yaml, approvals by name, and tables of spend."""

import csv
import io
import os
import shutil
import subprocess
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_makers import BACKENDS, COVERED, DIRECTOR, NOW, SHOT, a_wish, approve, open_ledger

from film_pipeline.core import keys
from film_pipeline.core.files import read_yaml
from film_pipeline.core.gate import Cleared, Locked
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Approver, Production
from film_pipeline.signing import (
    Terms,
    add_approver,
    approvals_table,
    key_file,
    keys_folder,
    new_key,
    open_key,
    public_block,
    revoke,
    spend_csv,
    spend_table,
)
from film_pipeline.signing import approve as sign
from film_pipeline.stores.ledger import Ledger

PASSPHRASE = "a lantern in the attic"
TERMS = Terms(SHOT, COVERED, BACKENDS, takes=2, cap_usd=Decimal("1.00"))
ADA = Approver(name="Ada", role="producer", public_key=DIRECTOR.public_key)


@pytest.fixture(scope="module")
def pem() -> bytes:
    """Making and opening a key takes a third of a second on purpose."""
    return keys.new_private_key(PASSPHRASE)


# Keys


def test_a_new_key_is_its_owners_alone_and_encrypted(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "keys"
    made = new_key(folder, "director", PASSPHRASE)
    assert made.path == folder / "director.pem"
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert keys.public_key_of(open_key(made.path, PASSPHRASE)) == made.approver.public_key
    assert made.approver.public_key in made.block
    assert len(made.fingerprint) == 8
    assert b"ENCRYPTED" in made.path.read_bytes() or b"OPENSSH" in made.path.read_bytes()
    for wrong in ("", "A lantern in the attic", "\x00"):
        with pytest.raises(FilmProblem, match="can't be opened"):
            open_key(made.path, wrong)


def test_a_key_does_not_lie_inside_a_production(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "production.yaml").write_text("name: film\ntitle: Film\n")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "film")
    for folder in ("film", "film/.film/keys", "elsewhere/keys"):
        with pytest.raises(FilmProblem, match="lies inside the production"):
            new_key(tmp_path / folder, "director", PASSPHRASE)
    assert list(tmp_path.rglob("*.pem")) == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../director", "-x", ".hidden", "a b", "x" * 65, "ä"])
def test_a_key_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(FilmProblem, match="no name for a key"):
        key_file(tmp_path, name)


def test_a_key_is_never_replaced(tmp_path: Path, pem: bytes) -> None:
    (tmp_path / "director.pem").write_bytes(pem)
    with pytest.raises(FilmProblem, match="there is a key of this name"):
        new_key(tmp_path, "director", PASSPHRASE)
    assert (tmp_path / "director.pem").read_bytes() == pem
    (tmp_path / "link.pem").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FilmProblem):
        new_key(tmp_path, "link", PASSPHRASE)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FilmProblem, match="at least 8"):
        new_key(tmp_path, "director", "seven77")
    with pytest.raises(FilmProblem, match="needs a passphrase"):
        keys.new_private_key("")


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, pem: bytes) -> None:
    path = tmp_path / "director.pem"
    path.write_bytes(pem)
    path.chmod(0o640)
    with pytest.raises(FilmProblem, match=r"others can read this key.*chmod 600"):
        open_key(path, PASSPHRASE)
    with pytest.raises(FilmProblem, match=r"no such key.*film key new nobody"):
        open_key(tmp_path / "nobody.pem", PASSPHRASE)


def test_guessing_a_passphrase_takes_its_time(pem: bytes) -> None:
    before = time.process_time()
    with pytest.raises(FilmProblem):
        keys.open_private_key(pem, "guess")
    assert time.process_time() - before > 0.05


def test_keys_that_openssl_writes_are_opened_too() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    how = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.encode()))
    key = Ed25519PrivateKey.generate()
    opened = keys.open_private_key(key.private_bytes(*how), PASSPHRASE)
    assert keys.public_key_of(opened) == keys.public_key_of(key)
    with pytest.raises(FilmProblem, match="not an Ed25519 key"):
        keys.open_private_key(ec.generate_private_key(ec.SECP256R1()).private_bytes(*how), PASSPHRASE)
    with pytest.raises(FilmProblem, match="can't be opened"):
        keys.open_private_key(b"nothing of the kind", PASSPHRASE)


def test_ssh_keygen_knows_the_same_key(tmp_path: Path, pem: bytes) -> None:
    """The private key is in a format that other programs open, should this one be gone."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen on this machine")
    path = tmp_path / "director.pem"
    path.write_bytes(pem)
    path.chmod(0o600)
    told = subprocess.run(
        ["ssh-keygen", "-y", "-P", PASSPHRASE, "-f", path], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("ssh-ed25519 ")


def test_the_folder_of_keys_is_the_users_own(tmp_path: Path) -> None:
    assert keys_folder({}, tmp_path) == tmp_path / ".config/film/keys"
    assert keys_folder({"XDG_CONFIG_HOME": "/etc/xdg"}, tmp_path) == Path("/etc/xdg/film/keys")
    assert keys_folder({"XDG_CONFIG_HOME": "relative"}, tmp_path) == tmp_path / ".config/film/keys"


# production.yaml


HEAD = "# Our film.\nname: film   # never changed\ntitle: 'The Film'\nresolution: [1280,   720]\n"
BEFORE = {
    "no approvers": HEAD,
    "no newline at the end": HEAD.rstrip(),
    "an empty list": HEAD + "approvers: []   # nobody yet\nbudget: 5\n",
    "a list in brackets": HEAD + 'approvers: [{name: ben, public_key: "x"}]\nbudget: 5\n',
    "a list of lines": HEAD + "approvers:\n  - name: ben\n    public_key: x  # his\n\n# Money.\nbudget: 5\n",
    "a list without indent": HEAD + "approvers:\n- public_key: x\n  name: ben\nbudget: 5\n",
    "a list indented far": HEAD + "approvers:\n      -   name: ben\n          public_key: x\nbudget: 5\n",
    "a list at the end": HEAD + "approvers:\n  - name: ben\n    public_key: x",
    "a name over lines": HEAD
    + "approvers:\n  - public_key: x\n    name: >-\n      ben\n      of the\n      hill\n# end\n",
    "windows": (HEAD + "approvers:\n  - name: ben\n    public_key: x\n").replace("\n", "\r\n"),
    "a comment at the end": HEAD + "approvers:\n  - {name: ben, public_key: x}\n  # more of them here\n",
}


@pytest.mark.parametrize("case", BEFORE)
def test_an_approver_is_added_and_every_other_byte_stays(tmp_path: Path, case: str) -> None:
    path, before = tmp_path / "production.yaml", BEFORE[case]
    path.write_bytes(before.encode())
    path.chmod(0o640)
    old = read_yaml(path, Production)
    assert add_approver(path, ADA)
    new = read_yaml(path, Production)
    assert new.approvers == (*old.approvers, ADA)
    assert new.model_copy(update={"approvers": old.approvers}) == old
    after = path.read_bytes().decode()
    kept = iter(after)
    assert all(letter in kept for letter in before), "something was taken away"
    assert [line for line in before.splitlines() if "approvers: [" not in line] == [
        line for line in after.splitlines() if line in before.splitlines()
    ]
    assert ("\r\n" in after) == ("\r\n" in before)
    assert after.replace("\r\n", "").count("\r") == 0
    assert path.stat().st_mode & 0o777 == 0o640
    assert not add_approver(path, ADA)
    assert path.read_bytes().decode() == after


def test_a_new_approver_comes_after_the_others_and_before_the_next_comment(tmp_path: Path) -> None:
    path = tmp_path / "production.yaml"
    path.write_text(BEFORE["a list of lines"])
    add_approver(path, ADA)
    assert path.read_text() == HEAD + (
        "approvers:\n  - name: ben\n    public_key: x  # his\n"
        f'  - name: "Ada"\n    role: "producer"\n    public_key: "{ADA.public_key}"\n'
        "\n# Money.\nbudget: 5\n"
    )


@pytest.mark.parametrize(
    "text",
    ["{name: film, title: Film}\n", "name: film\ntitle: Film\n...\n", "name: film\ntitle: Film\napprovers: &a\n  []\n"],
)
def test_a_file_that_nothing_can_be_added_to_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "production.yaml"
    path.write_text(text)
    try:
        assert add_approver(path, ADA)
    except FilmProblem as problem:
        assert public_block(ADA) in problem.mend
        assert path.read_text() == text
    assert read_yaml(path, Production).name == "film"


def test_a_broken_file_is_told_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "production.yaml"
    path.write_text("name: film\ntitle: [\n")
    with pytest.raises(FilmProblem):
        add_approver(path, ADA)
    assert path.read_text() == "name: film\ntitle: [\n"


def test_one_key_is_not_two_peoples(tmp_path: Path) -> None:
    path = tmp_path / "production.yaml"
    path.write_text(HEAD)
    add_approver(path, ADA)
    with pytest.raises(FilmProblem, match="this key is Ada's"):
        add_approver(path, replace_name(ADA, "Ben"))
    other = Approver(name="Ada", public_key="another")
    assert add_approver(path, other)
    assert [known.public_key for known in read_yaml(path, Production).approvers] == [ADA.public_key, "another"]


def replace_name(approver: Approver, name: str) -> Approver:
    return approver.model_copy(update={"name": name})


@settings(max_examples=60, deadline=None)
@given(name=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20))
def test_any_name_is_written_so_that_it_is_read_back(name: str) -> None:
    from ruamel.yaml import YAML

    approver = replace_name(ADA, name)
    assert YAML(typ="safe").load(public_block(approver)) == {"approvers": [approver.model_dump()]}


# Approvals


@pytest.fixture
def key(tmp_path: Path, pem: bytes) -> Path:
    path = tmp_path / "director.pem"
    path.write_bytes(pem)
    os.chmod(path, 0o600)
    return path


@pytest.fixture
def signed_for(tmp_path: Path, pem: bytes) -> Ledger:
    public = keys.public_key_of(keys.open_private_key(pem, PASSPHRASE))
    ledger = open_ledger(
        tmp_path / "ledger.sqlite", approvers=(Approver(name="ada", public_key=public),), production="the-test-film"
    )
    yield ledger
    ledger.close()


def test_signing_opens_the_gate_and_revoking_locks_it(signed_for: Ledger, key: Path) -> None:
    approval = sign(signed_for, TERMS, "ada", key, PASSPHRASE)
    assert (approval.signed_at, approval.expires_at) == ("2026-11-23T08:00:00+00:00", "2026-12-23T08:00:00+00:00")
    assert isinstance(signed_for.verdict(SHOT, "take", COVERED, BACKENDS), Cleared)
    assert revoke(signed_for, approval.id[:6], "ada", "the puppet is wrong") == [approval.id]
    assert isinstance(signed_for.verdict(SHOT, "take", COVERED, BACKENDS), Locked)


def test_only_an_approver_of_the_production_signs(signed_for: Ledger, key: Path) -> None:
    with pytest.raises(FilmProblem, match=r"ben with this key is no approver.*add the key"):
        sign(signed_for, TERMS, "ben", key, PASSPHRASE)
    with pytest.raises(FilmProblem, match="can't be opened"):
        sign(signed_for, TERMS, "ada", key, "wrong")
    assert signed_for.approvals.all() == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"takes": 0}, "takes"),
        ({"cap_usd": Decimal("-1")}, "cap_usd"),
        ({"cap_usd": Decimal("0.0000001")}, "finer than a millionth"),
        ({"backends": ()}, "backends"),
    ],
)
def test_terms_that_make_no_sense_are_not_signed(signed_for: Ledger, key: Path, changes: dict, why: str) -> None:
    with pytest.raises(FilmProblem, match=rf"can't be signed.*{why}"):
        sign(signed_for, replace(TERMS, **changes), "ada", key, PASSPHRASE)
    assert signed_for.approvals.all() == []


def test_an_approval_that_would_be_over_at_once_is_not_entered(signed_for: Ledger, key: Path) -> None:
    with pytest.raises(FilmProblem, match="expired"):
        sign(signed_for, replace(TERMS, valid_for=NOW - NOW), "ada", key, PASSPHRASE)


def test_revoking_by_shot_takes_all_of_its_approvals_back(ledger: Ledger) -> None:
    two = {approve(ledger).id, approve(ledger).id}
    other = approve(ledger, shot="SC010_SH020")
    assert set(revoke(ledger, SHOT, "ada", "")) == two
    assert ledger.approvals.one(other.id).good
    with pytest.raises(FilmProblem, match="no approval SC090"):
        revoke(ledger, "SC090_SH010", "ada", "")
    with pytest.raises(FilmProblem, match="no approval "):
        revoke(ledger, "", "ada", "")


def test_an_id_that_may_be_two_approvals_is_not_guessed(ledger: Ledger) -> None:
    approve(ledger, id="abc1")
    approve(ledger, id="abc2")
    with pytest.raises(FilmProblem, match="abc may be abc1 or abc2"):
        revoke(ledger, "abc", "ada", "")
    assert all(signed.good for signed in ledger.approvals.all())


def test_a_table_of_approvals_says_what_is_left_or_why_nothing_is(ledger: Ledger) -> None:
    approve(ledger, id="a" * 12)
    ledger.open_take(a_wish())
    assert approvals_table(ledger)[1] == [
        "aaaaaaaa", SHOT, "take", "director", "2026-12-23T08:00", "2 of 3", "1.00 USD of 1.00 USD",
        "pods, serverless, klein",
    ]  # fmt: skip
    ledger.revoke("a" * 12, "ada", "the puppet is wrong")
    assert approvals_table(ledger, SHOT)[1][5:] == [
        "0 of 3", "0.00 USD of 1.00 USD", "ada took it back at 2026-11-23T08:00: the puppet is wrong"
    ]  # fmt: skip


# Spend


def test_a_table_of_spend_ends_with_the_whole(ledger: Ledger) -> None:
    approve(ledger)
    assert not isinstance(ledger.open_take(a_wish()), Locked)
    ledger.spend.overhead(Decimal("0.07"), "pods", "a pod")
    assert spend_table(ledger, "engine") == [
        ["engine", "reserved", "of it uncertain", "settled", "used"],
        ["pods", "0.00 USD", "0.00 USD", "0.07 USD", "0.07 USD"],
        ["in all", "0.00 USD", "0.00 USD", "0.07 USD", "0.07 USD"],
        ["left of the budget", "", "", "", "99.93 USD"],
    ]
    assert spend_table(ledger, "shot", day="2026-11-23")[1][0] == "none"
    ledger.spend.overhead(Decimal("100"), "pods", "a pod that was forgotten")
    assert spend_table(ledger, "shot")[-2:] == [
        ["left of the budget", "", "", "", "-0.07 USD"],
        ["charged beyond the budget", "", "", "", "0.07 USD"],
    ]


def test_the_csv_is_read_back_and_runs_no_formula_in_a_spreadsheet(ledger: Ledger) -> None:
    ledger.spend.overhead(Decimal("0.07"), "pods", "=HYPERLINK(1)", by="@ada")
    ledger.spend.adjust(Decimal("-0.02"), "ben, of the hill", 'said "less"\nin two lines')
    first, second = csv.DictReader(io.StringIO(spend_csv(ledger)))
    assert (first["note"], first["entered_by"]) == ("'=HYPERLINK(1)", "'@ada")
    assert (second["settled_usd"], second["note"]) == ("-0.020000", 'said "less"\nin two lines')
