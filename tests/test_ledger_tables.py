"""The ledger's tables: how they come to be, beside whose, and what they refuse whoever asks."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledger_makers import NOW, a_ticket, an_order, approve, open_ledger, reserve
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.notes import Note
from film_pipeline.stores.ledger.schema import APPEND_ONLY, JOBS, KEPT, LEDGER_STORE, METADATA
from film_pipeline.stores.ledger.verdicts import TakeVerdict


def fill(ledger: Ledger) -> None:
    """A row in every table that keeps its rows."""
    ticket = a_ticket(ledger)
    ledger.notes.add(Note("SC010_SH010", "ada", "darker", "cli"))
    ledger.verdicts.give(TakeVerdict("SC010_SH010", "take", 1, "circle", "ada", "cli"))
    ledger.revoke(ticket.approval, "ada", "for the test")


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(ledger: Ledger) -> None:
    with ledger.books.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": LEDGER_STORE.version_table})
        assert compare_metadata(context, METADATA) == []
    assert ScriptDirectory(str(LEDGER_STORE.migrations)).get_current_head() == LEDGER_STORE.head


def test_ledger_and_frame_store_share_a_database_and_not_their_versions(postgres: str) -> None:
    frames, ledger = FrameStore(postgres), open_ledger(postgres)
    again = FrameStore(postgres)
    with ledger.books.reading() as connection:
        assert {"alembic_version", "ledger_version", "frames", "approvals"} <= set(
            inspect(connection).get_table_names()
        )
    with ledger.books.writing():
        frames.set_value("written", "while the ledger writes")
    again.close()
    frames.close()
    ledger.close()


def test_a_ledger_keeps_its_name_when_it_is_opened_again(ledger_place: str) -> None:
    one, other = open_ledger(ledger_place), open_ledger(ledger_place)
    assert one.id == other.id
    one.close()
    other.close()


def test_a_ledger_of_newer_software_is_left_alone(ledger_place: str) -> None:
    ledger = open_ledger(ledger_place)
    with ledger.books.writing() as connection:
        connection.execute(text("UPDATE ledger_version SET version_num = '9999'"))
    ledger.close()
    with pytest.raises(FilmProblem, match=r"the ledger is of version 9999.*install the newer"):
        open_ledger(ledger_place)


def test_nobody_is_told_to_remove_a_broken_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"this is no ledger, however long one looks at it" * 100)
    with pytest.raises(FilmProblem, match=r"not a database.*restore it from a backup") as broken:
        open_ledger(tmp_path / "ledger.sqlite")
    assert "remove" not in broken.value.mend
    assert "reindex" not in broken.value.mend


def test_a_budget_in_another_currency_is_not_taken_for_dollars(tmp_path: Path) -> None:
    abroad = Production(name="film", title="Film", currency="EUR", budget=Decimal("100"))
    with pytest.raises(FilmProblem, match=r"budget is in EUR.*write the budget in USD"):
        Ledger.of(abroad, tmp_path / "ledger.sqlite")
    free = Ledger.of(Production(name="film", title="Film", currency="EUR"), tmp_path / "ledger.sqlite")
    assert free.spend.total().budget_usd == 0
    free.close()


@pytest.mark.parametrize("table", [table.name for table in APPEND_ONLY])
def test_what_was_entered_is_neither_changed_nor_removed(ledger: Ledger, table: str) -> None:
    fill(ledger)
    column = next(iter(METADATA.tables[table].columns)).name
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with pytest.raises(IntegrityError, match=f"rows of {table} are never"), ledger.books.writing() as connection:
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
            connection.execute(text(statement))


@pytest.mark.parametrize("table", [table.name for table in KEPT])
def test_takes_and_jobs_are_not_removed(ledger: Ledger, table: str) -> None:
    fill(ledger)
    with pytest.raises(IntegrityError, match=f"rows of {table} are never"), ledger.books.writing() as connection:
        connection.execute(text(f"DELETE FROM {table}"))


def test_postgres_does_not_truncate_either(postgres: str) -> None:
    ledger = open_ledger(postgres)
    for table in (*APPEND_ONLY, *KEPT):
        with pytest.raises(IntegrityError, match="TRUNCATE"), ledger.books.writing() as connection:
            connection.execute(text(f"TRUNCATE {table.name} CASCADE"))
    ledger.close()


@pytest.mark.parametrize("table", [table.name for table in (*APPEND_ONLY, *KEPT)])
def test_sqlite_does_not_replace_rows_either(tmp_path: Path, table: str) -> None:
    """INSERT OR REPLACE removes what is in its way without asking the trigger that guards against removing."""
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    fill(ledger)
    ledger.close()
    by_hand = sqlite3.connect(tmp_path / "ledger.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="never replaced"):
        by_hand.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    by_hand.close()


def test_the_database_itself_holds_one_job_a_task(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    with ledger.books.reading() as connection:
        row = dict(connection.execute(select(JOBS)).one()._mapping)
    for state in ("reserved", "uncertain", "indexed", "anything"):
        second = row | {"job": "second", "attempt": 2, "state": state}
        with pytest.raises(IntegrityError), ledger.books.writing() as connection:
            connection.execute(insert(JOBS).values(second))
    with pytest.raises(IntegrityError), ledger.books.writing() as connection:
        connection.execute(insert(JOBS).values(row | {"job": "third", "state": "failed"}))
    assert [job.ticket for job in ledger.jobs.of()] == [ticket]


def test_money_is_whole_millionths_at_rest_and_decimal_outside(ledger: Ledger) -> None:
    approve(ledger, cap_usd=Decimal("999999999.999999"))
    ticket = a_ticket(ledger, quoted="0.000001")
    with ledger.books.reading() as connection:
        assert connection.execute(text("SELECT reserved_micros FROM spend")).scalar() == 1
        assert connection.execute(text("SELECT max(cap_micros) FROM approvals")).scalar() == 999_999_999_999_999
    assert ticket.reserved_usd == Decimal("0.000001")
    [tenth] = reserve(ledger, an_order(1002, quoted="0.1"))
    assert ledger.spend.total().reserved_usd == tenth.reserved_usd + ticket.reserved_usd == Decimal("0.100001")


def test_times_are_utc(ledger: Ledger) -> None:
    a_ticket(ledger)
    assert ledger.jobs.of()[0].reserved_at == "2026-11-23T08:00:00.000000+00:00"
    with pytest.raises(ValueError, match="time zone"):
        ledger.reserve([an_order()], now=NOW.replace(tzinfo=None))


def test_others_can_not_read_the_file(tmp_path: Path) -> None:
    open_ledger(tmp_path / "ledger.sqlite").close()
    assert (tmp_path / "ledger.sqlite").stat().st_mode & 0o007 == 0


def test_sqlite_brings_every_transaction_to_the_disk(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    with ledger.books.writing() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    ledger.close()
