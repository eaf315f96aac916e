"""Reserving: tickets for many frames in one transaction, all of them or none, and for the time of hired workers."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert, select, update

from film_pipeline.core.gate import (
    Approval,
    Cleared,
    Locked,
    Order,
    OverBudget,
    Placed,
    Reserved,
    Ticket,
    WorkerOrder,
    job_of,
    worker_task_of,
)
from film_pipeline.core.jobs import LIVE, UNDONE, JobState
from film_pipeline.core.money import micros_of, usd
from film_pipeline.stores.ledger.approvals import Approvals, count_takes
from film_pipeline.stores.ledger.books import Books, in_chunks, stamp
from film_pipeline.stores.ledger.clearing import Ask, Plan, Price, clear, overdrawn
from film_pipeline.stores.ledger.entries import Entry, post
from film_pipeline.stores.ledger.jobs import ticket_of_row
from film_pipeline.stores.ledger.schema import JOBS
from film_pipeline.stores.ledger.settling import WORKER
from film_pipeline.stores.ledger.takes import is_open

Row = Mapping[Any, Any]


@dataclass(frozen=True)
class _Last:
    """What the ledger knows of a task: the job that stands for it, if one does, and how often it was tried."""

    standing: Row | None
    attempts: int


class Reserving:
    """Who writes reservations."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def reserve(self, orders: Sequence[Order], now: datetime.datetime | None = None) -> Reserved | Locked | OverBudget:
        """Set the money of frames aside and write what is intended, for all of them or for none.

        A frame that is in work or made already keeps the ticket that it has, and needs no approval again.
        """
        moment = self._books.time(now)
        with self._books.writing() as connection:
            known = _last(connection, [order.task for order in orders])
            new = {order.task: order for order in orders if known[order.task].standing is None}
            planned = self._plan(connection, list(new.values()), moment)
            if isinstance(planned, Locked | OverBudget):
                return planned
            rows = {
                task: _row(self._books.id, order, known[task].attempts + 1, *planned[task], stamp(moment))
                for task, order in new.items()
            }
            _write(connection, list(rows.values()), stamp(moment))
        placed = [_placed(rows.get(order.task) or known[order.task].standing, order.task in rows) for order in orders]
        return Reserved(tuple(placed))

    def hire(self, order: WorkerOrder, now: datetime.datetime | None = None) -> Reserved | Locked | OverBudget:
        """Set the boot and idle time of a worker aside, against an approval of the shot that it is hired for."""
        moment = self._books.time(now)
        task, asked = worker_task_of(order.shot, order.name), micros_of(usd(order.usd))
        with self._books.writing() as connection:
            last = _last(connection, [task])[task]
            if last.standing is not None:
                return Reserved((_placed(last.standing, new=False),))
            plan = Plan(self._books.balances(connection))
            ask = Ask(order.shot, order.work, order.covered, (order.backend,), 0, True, Price(known=asked))
            verdict = clear(self._books, connection, ask, plan, moment)
            if not isinstance(verdict, Cleared):
                return verdict
            row = _new_row(self._books.id, task, last.attempts + 1, verdict.approval.id, asked, stamp(moment)) | {
                "shot": order.shot,
                "work": WORKER,
                "take": 0,
                "frame": None,
                "backend": order.backend,
                "recipe_sha256": "",
            }
            _write(connection, [row], stamp(moment))
        return Reserved((_placed(row, new=True),))

    def top_up(
        self, worker: str, more_usd: Decimal, now: datetime.datetime | None = None
    ) -> Ticket | Locked | OverBudget:
        """Set more aside for a hired worker that goes on, against the approval that it was hired on.

        What it runs with is not asked again: it runs. Its signature is, its cap and the budget.
        """
        moment, more = self._books.time(now), micros_of(usd(more_usd))
        with self._books.writing() as connection:
            row = connection.execute(select(JOBS).where(JOBS.c.job == worker)).mappings().first()
            if row is None or row["work"] != WORKER or JobState(row["state"]) not in LIVE:
                return Locked((f"no worker of the ledger is at work under the job {worker}",))
            signed = Approvals(self._books).looked_at(connection, row["approval"], moment)
            if signed is None or signed.approval is None or not signed.good:
                return Locked(signed.reasons if signed else (f"there is no approval {row['approval']}",))
            over = overdrawn(self._books, Plan(self._books.balances(connection)), signed.approval, more)
            if over is not None:
                return over
            topped = {
                "reserved_micros": row["reserved_micros"] + more,
                "held_micros": row["held_micros"] + more,
            }
            connection.execute(update(JOBS).where(JOBS.c.job == worker).values(topped))
            entry = Entry.of_job("reserve", row, reserved=more, note="topped up")
            post(connection, [entry], stamp(moment))
            return ticket_of_row({**row, **topped})

    def _plan(
        self, connection: Connection, orders: Sequence[Order], now: datetime.datetime
    ) -> dict[str, tuple[Approval, int]] | Locked | OverBudget:
        """For every task the approval that lets it through, and what to set aside for it."""
        plan = Plan(self._books.balances(connection))
        planned: dict[str, tuple[Approval, int]] = {}
        locked: list[str] = []
        over: OverBudget | None = None
        counted: list[tuple[str, int]] = []
        for group in _groups(orders):
            verdict = self._clear_group(connection, group, plan, now)
            match verdict:
                case Locked():
                    locked += verdict.reasons
                case OverBudget():
                    over = over or verdict
                case Cleared():
                    approval, take = verdict.approval, group[0].take
                    amounts = {order.task: _amount(order, approval) for order in group}
                    if take not in plan.takes_of(connection, approval.id):
                        counted.append((approval.id, take))
                    plan.add(approval.id, sum(amounts.values()), take)
                    planned |= {task: (approval, amount) for task, amount in amounts.items()}
        if locked:
            return Locked(tuple(dict.fromkeys(locked)))
        if over is None:
            count_takes(connection, counted, stamp(now))
        return planned if over is None else over

    def _clear_group(
        self, connection: Connection, group: Sequence[Order], plan: Plan, now: datetime.datetime
    ) -> Cleared | Locked | OverBudget:
        first = group[0]
        if not is_open(connection, first.shot, first.work, first.take):
            return Locked((f"take {first.take} of {first.shot} ({first.work}) was never opened",))
        known = [micros_of(usd(order.quoted_usd)) for order in group if order.quoted_usd is not None]
        price = Price(sum(known), max(known, default=0), len(group) - len(known))
        backends = tuple(dict.fromkeys(order.backend for order in group))
        ask = Ask(first.shot, first.work, first.covered, backends, first.take, True, price)
        return clear(self._books, connection, ask, plan, now)


def _groups(orders: Iterable[Order]) -> list[list[Order]]:
    """Orders for which one and the same question is asked: of one take, with one content."""
    digests: dict[int, str] = {}
    groups: dict[tuple[str, str, int, str], list[Order]] = {}
    for order in orders:
        # Frames of a take share the object, and hashing it two thousand times would take longer than all the rest.
        digest = digests.get(id(order.covered)) or digests.setdefault(id(order.covered), order.covered.sha256)
        groups.setdefault((order.shot, order.work, order.take, digest), []).append(order)
    return list(groups.values())


def _amount(order: Order, approval: Approval) -> int:
    if order.quoted_usd is not None:
        return micros_of(usd(order.quoted_usd))
    if approval.frame_cap_usd is None:
        raise AssertionError(f"{order.task} has no price and the gate let it through")
    return micros_of(approval.frame_cap_usd)


def _last(connection: Connection, tasks: Iterable[str]) -> dict[str, _Last]:
    wanted = list(dict.fromkeys(tasks))
    found: dict[str, _Last] = {task: _Last(None, 0) for task in wanted}
    undone = {state.value for state in UNDONE}
    for chunk in in_chunks(wanted):
        for row in connection.execute(select(JOBS).where(JOBS.c.task.in_(chunk))).mappings():
            before = found[row["task"]]
            standing = before.standing if row["state"] in undone else row
            found[row["task"]] = _Last(standing, max(before.attempts, row["attempt"]))
    return found


def _row(ledger: str, order: Order, attempt: int, approval: Approval, amount: int, moment: str) -> dict[str, Any]:
    return _new_row(ledger, order.task, attempt, approval.id, amount, moment) | {
        "shot": order.shot,
        "work": order.work,
        "take": order.take,
        "frame": order.frame,
        "backend": order.backend,
        "recipe_sha256": order.recipe_sha256,
    }


def _new_row(ledger: str, task: str, attempt: int, approval: str, amount: int, moment: str) -> dict[str, Any]:
    return {
        "job": job_of(ledger, task, attempt),
        "task": task,
        "attempt": attempt,
        "approval": approval,
        "state": JobState.RESERVED.value,
        "reserved_micros": amount,
        "held_micros": amount,
        "charged_micros": None,
        "estimated": False,
        "provider_id": "",
        "worker": "",
        "seconds": None,
        "error": "",
        "decided_by": "",
        "reserved_at": moment,
        "submitted_at": None,
        "moved_at": moment,
    }


def _write(connection: Connection, rows: Sequence[dict[str, Any]], moment: str) -> None:
    if rows:
        connection.execute(insert(JOBS), list(rows))
        post(connection, [Entry.of_job("reserve", row, reserved=row["reserved_micros"]) for row in rows], moment)


def _placed(row: Row | None, new: bool) -> Placed:
    if row is None:
        raise AssertionError("an order was neither there nor written")
    return Placed(ticket_of_row(row), JobState(row["state"]), new)
