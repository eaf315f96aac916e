"""The orchestrator is killed at any moment while its providers misbehave, and run again: nothing is paid twice or lost.

FILM_FAULT_RUNS sets how many seeds are played (150 if it is not set: more than 200 runs are killed), FILM_FAULT_SEED
the first one. A seed that breaks something says how to play it again alone.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from countdown import WINDOWS
from kill_stage import Broken, Play, Seen, staged
from lanes import LANES
from ledger_makers import emptied

RUNS = int(os.environ.get("FILM_FAULT_RUNS", "150"))
FIRST_SEED = int(os.environ.get("FILM_FAULT_SEED", "1"))
STATES = {"reserved", "submitting", "submitted", "running", "fetched", "worker submitting", "worker submitted"}
"""How jobs must have been found by some of many kills, or the kills miss something."""
ENOUGH = 150
"""Of so many seeds it can be asked that they hit every window."""
ENOUGH_KILLED = 200


def play(lane: Path, templates: Path, seeds: "count[int]", last: int, seen: Seen, ledger: str = "") -> list[Broken]:
    """Play seeds until there are none left. What broke is said at once, and the others are played all the same."""
    broken = []
    with staged(lane, templates) as stage:
        while (seed := next(seeds)) <= last:
            try:
                stage.play(Play(seed), seen, emptied(ledger) if ledger else "")
            except Broken as error:
                print(f"\n{error}\n", flush=True)
                broken.append(error)
    return broken


@pytest.mark.slow
def test_killed_orchestrator_sqlite_pays_for_every_frame_once_and_loses_none(tmp_path: Path, templates: Path) -> None:
    seen, seeds, began = Seen(), count(FIRST_SEED), time.monotonic()
    lanes = min(LANES, RUNS)
    with ThreadPoolExecutor(lanes) as pool:
        played = [
            pool.submit(play, tmp_path / f"lane-{lane}", templates, seeds, FIRST_SEED + RUNS - 1, seen)
            for lane in range(lanes)
        ]
    broken = [error for one in played for error in one.result()]
    took_s = time.monotonic() - began
    print(
        f"{RUNS} seeds, {seen.lives} runs, {seen.killed} of them killed, in {took_s:.0f} s; "
        f"a run: {seen.lasted_s / seen.lives:.2f} s, {seen.worked_s / seen.lives:.2f} s of a core"
    )
    print(f"killed while: {dict(seen.windows.most_common())}\njobs were found: {dict(seen.states.most_common())}")
    assert not broken, "\n\n".join(map(str, broken))
    if RUNS >= ENOUGH:
        assert seen.killed >= ENOUGH_KILLED
        assert set(seen.windows) >= {*WINDOWS, "time"}, "no process was ever killed there"
        assert set(seen.states) >= STATES


@pytest.mark.slow
def test_killed_orchestrator_postgres_pays_for_every_frame_once_and_loses_none(
    tmp_path: Path, templates: Path, postgres_ledger: str
) -> None:
    seen, runs = Seen(), max(1, RUNS // 20)
    broken = play(tmp_path / "lane", templates, count(FIRST_SEED), FIRST_SEED + runs - 1, seen, postgres_ledger)
    assert not broken, "\n\n".join(map(str, broken))
    assert seen.killed or runs < ENOUGH
