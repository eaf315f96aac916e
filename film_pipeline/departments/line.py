"""The production line: what is current, what is due, and making what is due, shot by shot."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from film_pipeline.core.gate import GateLocked
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Turnover
from film_pipeline.core.stages import Stage
from film_pipeline.departments.department import (
    WHOLE_FILM,
    Department,
    Job,
    Progress,
    Together,
    Upstream,
    of_shot,
    silent,
    workbench,
)
from film_pipeline.departments.film import Film
from film_pipeline.stores.filing import file_turnover
from film_pipeline.stores.leases import claim


@dataclass(frozen=True)
class Current:
    """The shot's work stands, made from what the files say now."""

    turnover: Turnover


@dataclass(frozen=True)
class Due:
    """The shot's work is missing or was made from something else."""

    why: str
    recipe: Recipe | None = None


@dataclass(frozen=True)
class AtGate:
    """The shot waits for a person: nobody has signed for it as it is now."""

    why: str

    @property
    def before(self) -> bool:
        """Whether it is a stage before this one that waits."""
        return self.why.startswith(_BEFORE)


@dataclass(frozen=True)
class Stopped:
    """The shot can't be worked on until its problem is mended."""

    problem: FilmProblem


State = Current | Due | AtGate | Stopped


@dataclass(frozen=True)
class Outcome:
    """What became of one shot in one department."""

    department: str
    shot: str
    turnover: Turnover | None = None
    made: bool = False
    problem: FilmProblem | None = None
    waits: str = ""
    """What a person has yet to decide."""


_BEFORE = "the shot waits at the gate before"


@dataclass
class Line:
    """All departments over one film. States are worked out once and kept until something is made."""

    film: Film
    departments: Mapping[str, Department]
    changed: bool = False
    """Whether anything was turned over, so that the published lineage is behind."""
    latest: dict[tuple[str, str], Turnover] | None = None
    """The current turnovers; those of the whole film are read when they are first asked for."""
    _states: dict[tuple[str, str], State] = field(default_factory=dict)

    def shots_of(self, department: Department, shots: Iterable[str]) -> list[str]:
        """Of these shots those that a department has work on."""
        if department.whole_film:
            return [WHOLE_FILM]
        if department.shots is None:
            return list(shots)
        own = department.shots(self.film)
        return [shot for shot in shots if shot in own]

    def through(self, stage: Stage) -> list[Department]:
        """The departments up to and including a stage, in working order."""
        return [department for department in self.departments.values() if department.stage.number <= stage.number]

    def state(self, name: str, shot: str) -> State:
        """Whether a department's work on a shot is current. No engine is started to find out."""
        key = (name, shot)
        if key not in self._states:
            try:
                self._states[key] = self._find_state(self.departments[name], shot)
            except GateLocked as locked:
                self._states[key] = AtGate(locked.problem)
            except FilmProblem as problem:
                self._states[key] = Stopped(of_shot(problem, shot))
        return self._states[key]

    def _find_state(self, department: Department, shot: str) -> State:
        upstream = self._upstream(department, shot)
        if not isinstance(upstream, Upstream):
            return upstream
        recipe = department.recipe(self.film, shot, upstream)
        latest = self._newest().get((department.name, shot))
        if latest is not None and latest.recipe_sha256 == recipe.sha256:
            missing = self._missing(latest)
            return Due(f"{missing} is gone", recipe) if missing else Current(latest)
        return Due("its inputs changed" if latest else "never made", recipe)

    def _upstream(self, department: Department, shot: str) -> Upstream | Due | AtGate | Stopped:
        turnovers: dict[tuple[str, str], Turnover] = {}
        for need in department.needs:
            before = self.departments[need]
            wanted = self.film.shots if department.whole_film else (shot,)
            for upstream_shot in self.shots_of(before, wanted):
                state = self.state(need, upstream_shot)
                if isinstance(state, Stopped):
                    return state
                if isinstance(state, AtGate):
                    return state if state.before else AtGate(f"{_BEFORE} {need}: {state.why}")
                if isinstance(state, Due):
                    return Due(f"waits for {need}" + (f" of {upstream_shot}" if upstream_shot and not shot else ""))
                turnovers[need, upstream_shot] = state.turnover
        return Upstream(turnovers)

    def _newest(self) -> dict[tuple[str, str], Turnover]:
        if self.latest is None:
            self.latest = self.film.frames.latest_all()
        return self.latest

    def _missing(self, turnover: Turnover) -> str:
        made = self.film.made
        return next((item.path for item in turnover.items if not (made / item.path).is_file()), "")

    def work(
        self,
        name: str,
        shots: Iterable[str],
        progress: Progress = silent,
        filed: Callable[[Outcome], None] | None = None,
    ) -> list[Outcome]:
        """Bring a department's shots up to date, one after the other.

        A shot that fails is reported and the others go on. `filed` hears of each shot as soon as it is done.
        """
        department = self.departments[name]
        own = self.shots_of(department, shots)
        if department.prepare is not None:
            self._prepare(department, own, progress)
        outcomes = []
        for shot in own:
            outcome = self._work_on(department, shot, progress)
            outcomes.append(outcome)
            if filed is not None:
                filed(outcome)
        return outcomes

    def _prepare(self, department: Department, shots: Iterable[str], progress: Progress) -> None:
        """Let a department work on all its due shots together."""
        due: dict[str, Upstream] = {}
        at_gate: dict[str, Upstream] = {}
        for shot in shots:
            state, upstream = self.state(department.name, shot), self._upstream(department, shot)
            if isinstance(upstream, Upstream) and isinstance(state, AtGate):
                at_gate[shot] = upstream
            elif isinstance(upstream, Upstream) and isinstance(state, Due) and state.recipe is not None:
                due[shot] = upstream
        if not due or department.prepare is None:
            return
        with ExitStack() as claims:
            # In one order everywhere, so that two runs never wait for each other.
            for shot in sorted(due):
                claims.enter_context(claim(self.film.made, department.stage.value, shot))
            worked_on = department.prepare(self.film, Together(due, at_gate), progress)
        # People sign and reject while frames are made: what the shots need is asked anew.
        for shot in worked_on:
            self._states.pop((department.name, shot), None)

    def _work_on(self, department: Department, shot: str, progress: Progress) -> Outcome:
        state = self.state(department.name, shot)
        if isinstance(state, Current):
            return Outcome(department.name, shot, state.turnover)
        if isinstance(state, AtGate):
            return Outcome(department.name, shot, waits=state.why)
        try:
            if isinstance(state, Stopped):
                raise state.problem
            if state.recipe is None:
                raise FilmProblem(
                    f"{department.name} {state.why}",
                    f"film run{f' --shots {shot}' if shot else ''} --through {department.stage.value}",
                    shot=shot,
                )
            # Departments of one stage share the claim: the jobs of a shot and of its hero are taken up together.
            with claim(self.film.made, department.stage.value, shot or "film"):
                turnover, made = self._make(department, shot, state.recipe, progress)
        except FilmProblem as problem:
            told = of_shot(problem, shot)
            self.film.frames.fail(department.name, shot, told.as_json())
            self._states[department.name, shot] = Stopped(told)
            return Outcome(department.name, shot, problem=told)
        self.film.frames.clear_failure(department.name, shot)
        self._made(department, shot, turnover)
        return Outcome(department.name, shot, turnover, made=made)

    def _make(self, department: Department, shot: str, recipe: Recipe, progress: Progress) -> tuple[Turnover, bool]:
        film = self.film
        before = film.frames.turnover(department.name, shot, recipe.sha256)
        if before is not None and not self._missing(before):
            # The same recipe was made before (by another run while we waited, or by an earlier grade): found, not made.
            file_turnover(film.media, film.frames, before, department.slate(shot, before.version).folder)
            return before, False
        upstream = self._upstream(department, shot)
        if not isinstance(upstream, Upstream):
            raise FilmProblem(f"what {department.name} needs has changed meanwhile", "run it again", shot=shot)
        version = before.version if before is not None else self._next_version(department, shot, upstream)
        with workbench(film) as bench:
            job = Job(film, department, shot, upstream, recipe, version, bench, progress)
            facts = department.make(job)
            turnover = Turnover(
                stage=department.name,
                shot=shot,
                version=version,
                recipe_sha256=recipe.sha256,
                items=tuple(sorted(job.items, key=lambda item: (item.role, item.frame or 0, item.path))),
                facts=facts,
            )
            file_turnover(film.media, film.frames, turnover, job.slate.folder)
        return turnover, True

    def _next_version(self, department: Department, shot: str, upstream: Upstream) -> int:
        asked = department.version(self.film, shot, upstream) if department.version is not None else None
        return asked if asked is not None else self.film.frames.next_version(department.name, shot)

    def _made(self, department: Department, shot: str, turnover: Turnover) -> None:
        self.changed = True
        self._newest()[department.name, shot] = turnover
        downstream = {department.name}
        for other in self.departments.values():
            if downstream & set(other.needs):
                downstream.add(other.name)
        whole_film = department.whole_film
        for key in list(self._states):
            name, other_shot = key
            if name in downstream and (whole_film or other_shot in (shot, WHOLE_FILM)):
                del self._states[key]
        self._states[department.name, shot] = Current(turnover)
