"""The table of backends and machines, for the terminal and the review app."""

import datetime
from typing import Any

from film_pipeline.core.jobs import JobState
from film_pipeline.departments.film import Film

_QUEUED = (JobState.RESERVED, JobState.SUBMITTING, JobState.SUBMITTED)


def worker_rows(film: Film) -> list[dict[str, Any]]:
    """A row for each machine that was heard of and has not ended, and for each backend that has none."""
    ledger = film.ledger
    counts = ledger.jobs.counts(_QUEUED)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    spent = ledger.spend.by("engine", today)
    at_work = ledger.workers.at_work()
    rows = []
    for name in dict.fromkeys([*film.generating, *(worker.backend for worker in at_work)]):
        backend = {
            "backend": name,
            "queued": sum(counts.get((name, state), 0) for state in _QUEUED),
            "spent_today_usd": str(spent[name].used_usd) if name in spent else "0",
        }
        machines = [worker for worker in at_work if worker.backend == name]
        rows += [
            {
                **backend,
                "worker": worker.provider_id,
                "state": worker.state,
                "job_in_hand": worker.job_in_hand,
                "seconds_per_frame": worker.seconds_per_frame,
                "usd_per_hour": None if worker.price_hour_usd is None else str(worker.price_hour_usd),
                "heard_at": worker.heard_at,
                "why": worker.why,
            }
            for worker in machines
        ]
        if not machines:
            quiet = dict.fromkeys(("job_in_hand", "seconds_per_frame", "usd_per_hour", "heard_at"))
            rows.append({**backend, "worker": "", "state": "no machine", "why": "", **quiet})
    return rows
