"""Signing: a key of one's own outside the production, its public half in production.yaml, approvals and their end."""

import csv
import datetime
import io
import json
import os
import re
import stat
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from film_pipeline.core import keys
from film_pipeline.core.files import read_yaml
from film_pipeline.core.gate import Approval, Covered, Work
from film_pipeline.core.money import written
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Approver, Production
from film_pipeline.core.spreadsheets import harmless
from film_pipeline.stores.disk import disk_problem, flush, write_atomically
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.spend import COLUMNS, By, Money

_PRODUCTION_FILE = "production.yaml"
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHORTEST_PASSPHRASE = 8
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
VALID_FOR = datetime.timedelta(days=30)


@dataclass(frozen=True)
class NewKey:
    """A key that was made. block: what belongs into production.yaml, so that its signatures count."""

    path: Path
    approver: Approver
    block: str

    @property
    def fingerprint(self) -> str:
        return keys.fingerprint(self.approver.public_key)


@dataclass(frozen=True)
class Terms:
    """What somebody is about to sign. covered: of the shot as it is now, its references and its backends' models.

    frame_cap_usd: what one frame may cost at most; without it no frame of unknown price is let through.
    """

    shot: str
    covered: Covered
    backends: tuple[str, ...]
    takes: int
    cap_usd: Decimal
    work: Work = "take"
    frame_cap_usd: Decimal | None = None
    valid_for: datetime.timedelta = VALID_FOR
    note: str = ""


# Keys


def keys_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Where keys lie: `film/keys` in the user's configuration folder (XDG)."""
    configured = environment.get("XDG_CONFIG_HOME", "")
    # The XDG specification wants relative paths ignored.
    base = Path(configured) if configured.startswith("/") else home / ".config"
    return base / "film" / "keys"


def key_file(folder: Path, name: str) -> Path:
    """Raises FilmProblem for what can't be a file's name."""
    if not _KEY_NAME.fullmatch(name):
        raise FilmProblem(f"{name!r} is no name for a key", "use letters, digits, dots and hyphens: director")
    return folder / f"{name}.pem"


def new_key(folder: Path, name: str, passphrase: str, role: str = "director") -> NewKey:
    """Make a key pair; the private half is written for its owner alone, encrypted.

    Raises FilmProblem for a folder inside a production, a name that is taken, and a passphrase that is too short.
    """
    path = key_file(folder, name)
    inside = _production_around(folder)
    if inside is not None:
        raise FilmProblem(
            f"the folder lies inside the production {inside}",
            "keep keys elsewhere: whoever gets the production must not get the key with it",
            file=path,
        )
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        raise FilmProblem(
            f"a passphrase has at least {_SHORTEST_PASSPHRASE} characters",
            "choose a longer one: whoever has the file must not be able to sign",
        )
    pem = keys.new_private_key(passphrase)
    approver = Approver(name=name, role=role, public_key=keys.public_key_of(keys.open_private_key(pem, passphrase)))
    _write_private(path, pem)
    return NewKey(path, approver, public_block(approver))


def _production_around(folder: Path) -> Path | None:
    real = folder.resolve()
    return next((place for place in (real, *real.parents) if (place / _PRODUCTION_FILE).is_file()), None)


def _write_private(path: Path, pem: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise FilmProblem("there is a key of this name", "choose another name: keys are not replaced", path) from error
    except OSError as error:
        raise disk_problem(error, path) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        flush(path)
        flush(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise disk_problem(error, path) from error


def open_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """Open a private key. Raises FilmProblem for a wrong passphrase, and for a file that others can read."""
    try:
        others = path.stat().st_mode & _OTHERS
        pem = path.read_bytes()
    except FileNotFoundError as error:
        raise FilmProblem("there is no such key", f"make one: film key new {path.stem}", file=path) from error
    except OSError as error:
        raise disk_problem(error, path) from error
    if others:
        raise FilmProblem("others can read this key", f"chmod 600 {path}", file=path)
    try:
        return keys.open_private_key(pem, passphrase)
    except FilmProblem as problem:
        raise FilmProblem(problem.problem, problem.mend, file=path) from problem


# production.yaml


def public_block(approver: Approver) -> str:
    """What a person adds to production.yaml."""
    return f"approvers:\n{_item(approver, 2)}"


def _item(approver: Approver, indent: int) -> str:
    fields = approver.model_dump(mode="json").items()
    # A JSON string is a YAML string too, whatever stands in it.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in fields]
    space = " " * indent
    return f"{space}- {lines[0]}" + "".join(f"{space}  {line}" for line in lines[1:])


def add_approver(path: Path, approver: Approver) -> bool:
    """Add a public key to the author's production.yaml, and nothing else: every other byte stays as it is.

    This is the one write into that file, and only ever done because somebody asked for it. Returns False where the key
    is there already. Raises FilmProblem where the key stands under another name, and where the file is written in a way
    that nothing can be added to it without writing it anew; it is left alone then.
    """
    production = read_yaml(path, Production)
    for known in production.approvers:
        if known.public_key == approver.public_key:
            if known.name == approver.name:
                return False
            raise FilmProblem(f"this key is {known.name}'s", f"make a key for {approver.name}", file=path)
    before = path.read_bytes().decode("utf-8")
    after = _with_approver(before, approver)
    wanted = production.model_copy(update={"approvers": (*production.approvers, approver)})
    if after is None or _read(after) != wanted:
        raise FilmProblem(
            "the file is written in a way that nothing can be added to it",
            f"add this to it by hand:\n{public_block(approver)}",
            file=path,
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    write_atomically(path, after.encode("utf-8"))
    path.chmod(mode)
    return True


def _read(text: str) -> Production | None:
    try:
        return Production.model_validate(YAML(typ="safe").load(text))
    except (ValidationError, YAMLError, ValueError):
        return None


def _with_approver(text: str, approver: Approver) -> str | None:
    """The file's text with the approver in its place, by the marks of ruamel's parser; None where it has no place."""
    newline = "\r\n" if "\r\n" in text else "\n"
    document = YAML().compose(text)
    if not isinstance(document, MappingNode) or document.flow_style:
        return None
    listed = next((value for key, value in document.value if key.value == "approvers"), None)
    if listed is None:
        whole = text if text.endswith("\n") else text + newline
        return whole + public_block(approver).replace("\n", newline)
    if not isinstance(listed, SequenceNode):
        return None
    if listed.flow_style:
        return _into_brackets(text, listed, approver)
    dash = listed.start_mark.column
    return _after_line(text, _last_line(listed.value[-1]), _item(approver, dash).replace("\n", newline), newline)


def _into_brackets(text: str, listed: SequenceNode, approver: Approver) -> str:
    bracket = listed.end_mark.index - 1
    item = json.dumps(approver.model_dump(mode="json"), ensure_ascii=False)
    return text[:bracket] + (", " if listed.value else "") + item + text[bracket:]


def _last_line(node: Node) -> int:
    """The line on which a node's last scalar ends: what follows it may be comments of something else."""
    if isinstance(node, MappingNode | SequenceNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.line)


def _after_line(text: str, line: int, added: str, newline: str) -> str:
    lines = text.splitlines(keepends=True)
    if not lines[line].endswith("\n"):
        lines[line] += newline
    return "".join([*lines[: line + 1], added, *lines[line + 1 :]])


# Approvals


def approve(
    ledger: Ledger,
    terms: Terms,
    signer: str,
    key: Path | Ed25519PrivateKey,
    passphrase: str = "",
    now: datetime.datetime | None = None,
) -> Approval:
    """Sign, and enter what was signed. key: one that is open, or the file of one that the passphrase opens.

    Raises FilmProblem where the key is not the signer's of production.yaml, or the terms are none.
    """
    private = open_key(key, passphrase) if isinstance(key, Path) else key
    approver = Approver(name=signer, public_key=keys.public_key_of(private))
    if approver.public_key not in {known.public_key for known in ledger.books.approvers if known.name == signer}:
        raise FilmProblem(
            f"{signer} with this key is no approver of the production",
            f"add the key to {_PRODUCTION_FILE}, if it may sign:\n{public_block(approver)}",
            file=key if isinstance(key, Path) else None,
        )
    approval = _unsigned(ledger, terms, approver, ledger.books.time(now)).signed_by(private)
    ledger.add(approval, now)
    return approval


def _unsigned(ledger: Ledger, terms: Terms, approver: Approver, now: datetime.datetime) -> Approval:
    try:
        return Approval(
            id=str(uuid.uuid4()),
            production=ledger.books.production,
            ledger=ledger.id,
            shot=terms.shot,
            work=terms.work,
            covered=terms.covered,
            backends=terms.backends,
            takes=terms.takes,
            cap_usd=terms.cap_usd,
            frame_cap_usd=terms.frame_cap_usd,
            signer=approver.name,
            public_key=approver.public_key,
            signed_at=now.isoformat(timespec="seconds"),
            expires_at=(now + terms.valid_for).isoformat(timespec="seconds"),
            note=terms.note,
        )
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        raise FilmProblem(
            f"this can't be signed: {'.'.join(map(str, first['loc']))}: {message}", "correct it", shot=terms.shot
        ) from error


def revoke(ledger: Ledger, approval: str, by: str, why: str, now: datetime.datetime | None = None) -> list[str]:
    """Take approvals back: the one of that id (or the beginning of it), or all of a shot. Returns their ids.

    No key is needed: locking the gate does no harm. Raises FilmProblem where there is none, or more than one id fits.
    """
    signed = ledger.approvals.all(now=now)
    of_shot = [one.id for one in signed if one.approval is not None and one.approval.shot == approval]
    fitting = of_shot or [one.id for one in signed if one.id.startswith(approval) and approval]
    if not fitting:
        raise FilmProblem(f"there is no approval {approval}", "name a shot, or the id of an approval")
    if not of_shot and len(fitting) > 1:
        raise FilmProblem(f"{approval} may be {' or '.join(fitting)}", "write more of the id")
    for one in fitting:
        ledger.revoke(one, by, why, now)
    return fitting


def approvals_table(ledger: Ledger, shot: str = "", now: datetime.datetime | None = None) -> list[list[str]]:
    """Lines of text: a heading, and every approval (of a shot) with what is left of it, or why it opens nothing."""
    lines = [["approval", "shot", "work", "signed by", "expires", "takes left", "left of the cap", "opens"]]
    for signed in ledger.approvals.all(shot, now):
        if signed.approval is None:
            lines.append([signed.id[:8], "", "", "", "", "", "", "; ".join(signed.reasons)])
            continue
        one, left = signed.approval, ledger.spend.left(signed.id, now)
        takes, cap = f"{left.takes} of {one.takes}", f"{written(left.usd)} of {written(one.cap_usd)}"
        opens = "; ".join(signed.reasons) or ", ".join(one.backends)
        lines.append([one.id[:8], one.shot, one.work, one.signer, one.expires_at[:16], takes, cap, opens])
    return lines


# Spend


def spend_table(ledger: Ledger, by: By, day: str = "") -> list[list[str]]:
    """Lines of text: a heading, one for each day, shot, engine or approval, and the production's own at the end."""
    lines = [[by, "reserved", "of it uncertain", "settled", "used"]]
    lines += [_line(key or "none", money) for key, money in ledger.spend.by(by, day).items()]
    if not day:
        total = ledger.spend.total()
        lines.append(_line("in all", total))
        lines.append(["left of the budget", "", "", "", written(total.left_usd)])
        for approval, over in ledger.spend.overruns().items():
            of = f"the cap of {approval[:8]}" if approval else "the budget"
            lines.append([f"charged beyond {of}", "", "", "", written(over)])
    return lines


def _line(key: str, money: Money) -> list[str]:
    amounts = (money.reserved_usd, money.uncertain_usd, money.settled_usd, money.used_usd)
    return [key, *(written(amount) for amount in amounts)]


def write_spend_csv(ledger: Ledger, file: TextIO, day: str = "") -> int:
    """Every entry as CSV, with a heading. Returns how many."""
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    entries = 0
    for row in ledger.spend.rows(day):
        writer.writerow({column: harmless(text) for column, text in row.items()})
        entries += 1
    return entries


def spend_csv(ledger: Ledger, day: str = "") -> str:
    """The same as text."""
    file = io.StringIO(newline="")
    write_spend_csv(ledger, file, day)
    return file.getvalue()
