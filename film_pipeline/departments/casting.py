"""The hero stills of a film: which slots there are, who is cast in each, and which frame guides it."""

from collections.abc import Sequence

from film_pipeline.core.files import line_of, load_yaml
from film_pipeline.core.heroes import SUBJECT, Hero, HeroFile, HeroSlot, cast_for
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.refusals import field_path
from film_pipeline.core.slate import ShotName
from film_pipeline.departments.film import HEROES_FILE, Film, FilmShot


def heroes_of(film: Film) -> dict[str, Hero]:
    """Every still that heroes.yaml describes, by its shot. Raises FilmProblem at the file and line of a mistake."""
    written = film.hero_file
    if written is None:
        return {}
    return {
        hero.shot: hero
        for scene in written.scenes
        for number in range(1, len(written.scenes[scene].slots) + 1)
        for hero in [_Slot(film, written, scene, number).hero()]
    }


def readable_heroes(film: Film) -> dict[str, Hero]:
    """The same, for those who have other work too: a mistake in heroes.yaml is noted once among the film's problems."""
    cached: dict[str, Hero] | None = film.__dict__.get("_readable_heroes")
    if cached is None:
        try:
            cached = heroes_of(film)
        except FilmProblem as problem:
            film.problems.append(problem)
            cached = {}
        film.__dict__["_readable_heroes"] = cached
    return cached


def hero_of(film: Film, shot: str) -> Hero:
    """The still of a shot. Raises FilmProblem where heroes.yaml has none."""
    film.shot(shot)
    heroes = heroes_of(film)
    if shot not in heroes:
        known = f"its stills are of {', '.join(heroes)}" if heroes else "it has no stills yet"
        raise FilmProblem(
            f"{HEROES_FILE} has no slot of this shot",
            f"{known}: add a slot to its scene",
            film.root / HEROES_FILE,
            shot=shot,
        )
    return heroes[shot]


def lead_heroes(film: Film, scenes: Sequence[str] = ()) -> list[Hero]:
    """The hero of every scene (of these scenes), in the order of the script. Raises FilmProblem where one has none."""
    leads = {hero.scene: hero for hero in heroes_of(film).values() if hero.leads}
    for scene in scenes:
        if scene not in leads:
            raise FilmProblem(
                f"{scene} has no hero",
                f"the scenes with one are {', '.join(leads) or 'none yet'}: give it a slot",
                film.root / HEROES_FILE,
            )
    order = [scene.id for scene in film.screenplay.scenes]
    return [leads[scene] for scene in order if scene in leads and (not scenes or scene in scenes)]


class _Slot:
    """One slot of heroes.yaml, being read against the film."""

    def __init__(self, film: Film, written: HeroFile, scene: str, number: int) -> None:
        self._film, self._written, self._scene, self._number = film, written, scene, number
        self._slot: HeroSlot = written.scenes[scene].slots[number - 1]

    def hero(self) -> Hero:
        film_shot = self._film_shot()
        subject = self._subject(film_shot)
        return Hero(
            self._scene,
            self._number,
            self._slot.label,
            film_shot.name,
            self._frame(film_shot),
            subject,
            self._written.prompt_of(self._slot, subject),
        )

    def _film_shot(self) -> FilmShot:
        name = str(ShotName(self._scene, self._slot.shot))
        if name not in self._film.shots:
            known = [shot.shot.id for shot in self._film.shots.values() if shot.scene.scene == self._scene]
            mend = (
                f"its shots are {', '.join(known)}" if known else "write its shots first, or name a scene that has some"
            )
            raise self._problem(f"{self._scene} has no shot {self._slot.shot}", mend, "shot")
        return self._film.shots[name]

    def _frame(self, film_shot: FilmShot) -> int:
        sheet = self._film.exposure_sheet(film_shot)
        if self._slot.frame is None:
            return sheet.unique_frames[0]
        try:
            return sheet.exposed(self._slot.frame)
        except ValueError as error:
            raise self._problem(str(error), "choose a frame of the shot", "frame") from error

    def _subject(self, film_shot: FilmShot) -> str:
        """Who is cast. Whoever is not in the composition can't be: the model would be shown somebody else."""
        playing = [member.character for member in film_shot.shot.cast]
        for name in self._slot.cast:
            if name not in self._written.cast:
                raise self._problem(f"`cast` above says nothing of {name}", "describe them there", "cast")
            if name not in playing:
                raise self._problem(f"{name} is not in {film_shot.name}", f"in it are {_listed(playing)}", "cast")
        candidates = [name for name in self._written.cast if name in (self._slot.cast or playing)]
        if SUBJECT not in self._slot.prompt:
            return ""
        if not candidates:
            raise self._problem(
                f"nobody can be cast: in {film_shot.name} is {_listed(playing)}, and `cast` above describes "
                f"{_listed(list(self._written.cast))}",
                "describe somebody who is in the shot, or leave {SUBJ} out",
                "prompt",
            )
        return cast_for(self._scene, candidates)

    def _problem(self, problem: str, mend: str, field: str) -> FilmProblem:
        path = self._film.root / HEROES_FILE
        where = ("scenes", self._scene, "slots", self._number - 1, field)
        return FilmProblem(problem, mend, file=path, line=line_of(load_yaml(path), where), field_name=field_path(where))


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nobody"
