"""A long film for measuring: every shot is written, every frame has its record and its cost, and there are no pixels.

A few of its shots stand at the gate, as if they had been composed, so that they can be signed for.
"""

import datetime
import json
import shutil
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ruamel.yaml import YAML
from sqlalchemy import insert

from film_pipeline.core import keys
from film_pipeline.core.gate import Approval, Covered
from film_pipeline.core.money import micros_of
from film_pipeline.core.record import Item, Turnover
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Due, Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.approvals import row_of
from film_pipeline.stores.ledger.schema import APPROVALS, JOBS, NOTES, SPEND, TAKE_APPROVALS, TAKES
from film_pipeline.stores.schema import FRAMES, TURNOVERS

SHOTS_A_SCENE = 20
APPROVER = "director"
PASSPHRASE = "four words in a row"
BACKEND = "klein-serverless"
_PLAN = {
    "kind": "runpod-serverless",
    "endpoint": "a-long-film",
    "model": "klein-4b",
    "gpu": "L40S",
    "seconds_per_frame": 3,
}
_IN_DOUBT, _LIVE, _NOTES = 20, 400, 5000
_PRICE, _CAP = Decimal("0.004321"), Decimal("1000")
_BATCH = 40_000
_STAGES = (("cameras", "plate", "png"), ("render", "render", "exr"), ("vfx", "vfx", "exr"), ("color", "color", "png"))


def long_film(root: Path, shots: int, frames: int) -> None:
    """A production of that many shots, with a record in the store for every frame, and no pixels."""
    scenes = -(-shots // SHOTS_A_SCENE)
    _write_files(root, scenes, shots)
    store = FrameStore(root / ".film" / "film.sqlite")
    batch: list[dict[str, Any]] = []
    turned: list[dict[str, Any]] = []
    for place, name in enumerate(names(shots)):
        for stage, role, extension in _STAGES:
            rows = list(_frame_rows(place, name, stage, role, extension, frames // len(_STAGES)))
            batch += rows
            turned.append(_turnover_row(name, stage, rows))
        turned += [
            _turnover_row(name, stage, []) for stage in ("script", "storyboard", "look", "set_characters", "edit")
        ]
        if len(batch) >= 40_000 or place == shots - 1:
            with store.database.writing() as connection:
                connection.execute(insert(FRAMES), batch)
                connection.execute(insert(TURNOVERS), turned)
            batch, turned = [], []
    store.close()


def names(shots: int) -> Iterator[str]:
    for place in range(shots):
        yield f"SC{place // SHOTS_A_SCENE * 10 + 10:03d}_SH{place % SHOTS_A_SCENE * 10 + 10:03d}"


def _write_files(root: Path, scenes: int, shots: int) -> None:
    from film_pipeline.starting import new_production

    new_production(root, None)
    _generate(root / "production.yaml")
    shutil.rmtree(root / "shots")
    (root / "shots").mkdir()
    pages = ["Title: A Long Film\n"]
    for number in range(scenes):
        pages.append(f"INT. WORKSHOP - NIGHT #{number + 1}#\n")
        scene = f"SC{number * 10 + 10:03d}"
        written = [f"scene: {scene}\nset: workshop\nshots:\n"]
        for place in range(min(SHOTS_A_SCENE, shots - number * SHOTS_A_SCENE)):
            line = f"The maker turns wheel {number} by {place} teeth, and listens to what it says."
            pages.append(f"{line}\n")
            written.append(
                f"  - {{id: SH{place * 10 + 10:03d}, length: 48, size: medium, subject: maker, action: '{line}', "
                "cast: [{character: maker, at: bench}]}\n"
            )
        (root / "shots" / f"{scene}.yaml").write_text("".join(written), encoding="utf-8")
    (root / "script.fountain").write_text("\n".join(pages), encoding="utf-8")


def _frame_rows(place: int, name: str, stage: str, role: str, extension: str, count: int) -> Iterator[dict[str, Any]]:
    day = f"2026-{place // 28 % 12 + 1:02d}-{place % 28 + 1:02d}"
    for number in range(count):
        frame = 1001 + number
        sha256 = f"{place:08x}{_STAGES.index((stage, role, extension)):04x}{number:04x}".ljust(64, "0")
        path = f"shots/{name}/{stage}/v001/{name}_{stage}_v001.{frame}.{extension}"
        event = {"engine": "cycles", "provider": "local", "software": "film_pipeline", "author": "a", "cost_usd": 0.0}
        record = {
            "deliverable": f"{name}_{stage}_v001.{frame}",
            "content_hash_sha256": sha256,
            "engine_summary": ["cycles"],
            "license_summary": ["own work"],
            "lineage": {"kind": "finish", "shot": name, "events": [event]},
            "stage": stage,
            "version": 1,
            "frame": frame,
            "role": role,
            "media_path": path,
            "media_bytes": 100_000,
            "recipe_sha256": sha256,
            "recipe": {"department": stage, "frame": frame},
            "made_at": f"{day}T08:{number % 60:02d}:00+00:00",
        }
        yield {
            "media_path": path,
            "recipe_sha256": sha256,
            "sha256": sha256,
            "stage": stage,
            "shot": name,
            "version": 1,
            "frame": frame,
            "role": role,
            "bytes": 100_000,
            "made_at": record["made_at"],
            "record": json.dumps(record),
            "engine": "cycles",
        }


def _turnover_row(name: str, stage: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    items = tuple(
        Item(role=row["role"], frame=row["frame"], path=row["media_path"], sha256=row["sha256"], bytes=row["bytes"])
        for row in rows
    )
    facts = {"lock": "0" * 64, "digests": {}, "take": 1}
    turnover = Turnover(stage=stage, shot=name, version=1, recipe_sha256="0" * 64, items=items, facts=facts)
    return {
        "stage": stage,
        "shot": name,
        "version": 1,
        "recipe_sha256": "0" * 64,
        "handed_over": 1,
        "turnover": turnover.model_dump_json(),
    }


# The gate and the ledger


def _generate(path: Path) -> None:
    yaml = YAML()
    document = yaml.load(path.read_text(encoding="utf-8"))
    document |= {"generation": {BACKEND: _PLAN}, "backends": [BACKEND], "budget": "10000000.00"}
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def bring_to_gate(root: Path, shots: list[str]) -> None:
    """Turn over whatever stands before the gate of these shots, just as their recipes want it, with nothing in it."""
    with Film(root) as film:
        for shot in shots:
            for stage in ("look", "set_characters", "cameras"):
                state = Line(film, DEPARTMENTS, latest=film.frames.latest_of([shot])).state(stage, shot)
                assert isinstance(state, Due) and state.recipe is not None, state
                _turn_over(film, stage, shot, state.recipe.sha256)


def _turn_over(film: Film, stage: str, shot: str, recipe: str) -> None:
    digests = {str(frame): "d" * 64 for frame in range(1001, 1049)}
    nothing = film.made / "nothing"
    nothing.touch()
    items = tuple(
        Item(role=role, frame=frame, path=nothing.name, sha256="0" * 64, bytes=0)
        for role in ("plate", "pose")
        for frame in range(1001, 1049)
    )
    facts = {"render_look_sha256": "0" * 64, "lock": "0" * 64, "digests": digests, "held": [1] * 48}
    turnover = Turnover(stage=stage, shot=shot, version=2, recipe_sha256=recipe, items=items, facts=facts)
    row = {
        "stage": stage,
        "shot": shot,
        "version": 2,
        "recipe_sha256": recipe,
        "handed_over": 2,
        "turnover": turnover.model_dump_json(),
    }
    with film.frames.database.writing() as connection:
        connection.execute(insert(TURNOVERS).values(row))


def long_ledger(root: Path, shots: int, frames: int, keys_in: Path) -> None:
    """An approval and a take of every shot, and a job and two entries for every frame that was rendered."""
    from film_pipeline.signing import add_approver, new_key, open_key

    made = new_key(keys_in, APPROVER, PASSPHRASE)
    add_approver(root / "production.yaml", made.approver)
    key = open_key(made.path, PASSPHRASE)
    with Film(root) as film:
        ledger = film.ledger
        rows: dict[Any, list[dict[str, Any]]] = {}
        for place, name in enumerate(names(shots)):
            moment = f"2026-{place // 28 % 12 + 1:02d}-{place % 28 + 1:02d}T08:00:00.000000+00:00"
            _signed(rows, ledger, name, place, moment, key)
            for number in range(frames // len(_STAGES)):
                _paid(rows, name, place, 1001 + number, moment, _state(place, number))
            if len(rows[JOBS]) >= _BATCH or place == shots - 1:
                _enter(ledger, rows)
        notes = [{"shot": name, "frame": 1004, "text": f"Note {number}."} for number, name in enumerate(names(_NOTES))]
        same = {"take": 1, "author": "ada", "drawing": None, "reply_to": None, "via": "review", "said_as": None}
        rows = {NOTES: [note | same | {"at": "2026-11-25T08:00:00.000000+00:00"} for note in notes[:shots]]}
        _enter(ledger, rows)


def _state(place: int, number: int) -> str:
    """The first frames of the first shots are in doubt and at work; all others are home."""
    if number:
        return "indexed"
    return "uncertain" if place < _IN_DOUBT else "running" if place < _LIVE else "indexed"


def _signed(
    rows: dict[Any, list[dict[str, Any]]], ledger: Ledger, shot: str, place: int, moment: str, key: Ed25519PrivateKey
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    covered = Covered(composition="c" * 64, look="1" * 64, direction="d" * 64, references={}, models={BACKEND: "m"})
    approval = Approval(
        id=str(uuid.UUID(int=place)),
        production=ledger.books.production,
        ledger=ledger.id,
        shot=shot,
        covered=covered,
        backends=(BACKEND,),
        takes=2,
        cap_usd=_CAP,
        signer=APPROVER,
        public_key=keys.public_key_of(key),
        signed_at=now.isoformat(),
        expires_at=(now + datetime.timedelta(days=30)).isoformat(),
    ).signed_by(key)
    rows.setdefault(APPROVALS, []).append(row_of(approval) | {"added_at": moment})
    take = {"shot": shot, "work": "take", "take": 1, "approval": approval.id, "backends": json.dumps([BACKEND])}
    said = {"direction": "", "asked_by": APPROVER, "via": "cli", "asked_as": f"approval {approval.id}"}
    rows.setdefault(TAKES, []).append(take | said | {"opened_at": moment})
    rows.setdefault(TAKE_APPROVALS, []).append({"approval": approval.id, "take": 1, "counted_at": moment})


def _paid(rows: dict[Any, list[dict[str, Any]]], shot: str, place: int, frame: int, moment: str, state: str) -> None:
    price, home = micros_of(_PRICE), state == "indexed"
    of_job = {
        "job": str(uuid.UUID(int=(place << 32) + frame)),
        "approval": str(uuid.UUID(int=place)),
        "shot": shot,
        "backend": BACKEND,
    }
    rows.setdefault(JOBS, []).append(
        of_job
        | {
            "task": f"{shot}/take/1/{frame}",
            "attempt": 1,
            "work": "take",
            "take": 1,
            "frame": frame,
            "recipe_sha256": "0" * 64,
            "state": state,
            "reserved_micros": price,
            "held_micros": 0 if home else price,
            "charged_micros": price if home else None,
            "estimated": False,
            "provider_id": "" if state == "uncertain" else f"p-{place}-{frame}",
            "worker": "",
            "seconds": 3.0,
            "error": "the connection broke" if state == "uncertain" else "",
            "decided_by": "",
            "reserved_at": moment,
            "submitted_at": moment,
            "moved_at": moment,
        }
    )
    entry = of_job | {"at": moment, "estimated": False, "entered_by": "", "note": ""}
    rows.setdefault(SPEND, []).append(entry | {"kind": "reserve", "reserved_micros": price, "settled_micros": 0})
    if home:
        rows[SPEND].append(entry | {"kind": "settle", "reserved_micros": -price, "settled_micros": price})


def _enter(ledger: Ledger, rows: dict[Any, list[dict[str, Any]]]) -> None:
    with ledger.books.writing() as connection:
        for table, of_table in rows.items():
            connection.execute(insert(table), of_table)
            of_table.clear()
