"""Looking at what was generated: heroes, and the review on Discord."""

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from film_pipeline.cli.telling import AsJson, Where, app, named, opened, print_json, say, tell, tell_problems, told
from film_pipeline.core.money import written
from film_pipeline.core.stages import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from film_pipeline.discord.rounds import Account
    from film_pipeline.hero_pass import QueuedHero

_WATCH_S = 10.0
_NOTHING = "nothing new"

Scenes = Annotated[
    list[str] | None,
    typer.Option("--scenes", help="Scenes, such as SC010; repeat it or part them by commas.", show_default=False),
]


@app.command()
@told
def heroes(
    scenes: Scenes = None,
    show: Annotated[bool, typer.Option("--show", help="Only show them: casting, prompt, price and gate.")] = False,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Make one hero still for each scene, of those that somebody has signed for; say of the others what they wait for.

    Example: film heroes --scenes SC010,SC020
    """
    from film_pipeline.hero_pass import queue_heroes
    from film_pipeline.progress import shown
    from film_pipeline.running import run_film

    with opened(production) as film, shown(say) as watch:
        queued = queue_heroes(film, named(scenes), ask=not show)
        report = None
        if not show:
            shots = [one.hero.shot for one in queued if one.takes]
            report = run_film(film, shots, Stage.RENDER, watch, only=("heroes",))
        made = film.made
    if as_json:
        more = {} if report is None else report.as_json()
        print_json({"heroes": [one.as_json() for one in queued], **more})
    else:
        _print_heroes(queued)
    if report is None:
        return
    tell_problems(report.problems)
    tell(*(f"{shot} waits: {why}" for shot, why in report.at_gate.items()))
    tell(f"{len(report.made)} made, {report.current - len(report.made)} were up to date. All of it is in {made}.")
    if report.problems:
        raise typer.Exit(1)


def _print_heroes(queued: "list[QueuedHero]") -> None:
    console = Console(highlight=False)
    for one in queued:
        hero = one.hero
        cast = f", with {hero.subject}" if hero.subject else ""
        console.print(f"{hero.scene}  {hero.label}: {hero.shot} frame {hero.frame}{cast}", markup=False)
        console.print(f"    {one.prompt or hero.prompt}", markup=False, style="dim")
        if one.quote is not None:
            prices = [f"{backend.quote.backend} {written(backend.quote.cost_usd)}" for backend in one.quote.backends]
            console.print(f"    a take: {', '.join(prices)}", markup=False)
        takes = ", ".join(f"{take.take}{f' ({take.standing})' if take.standing else ''}" for take in one.takes)
        console.print(f"    takes: {takes or 'none'}{f'; {one.waits}' if one.waits else ''}", markup=False)


@app.command()
@told
def discord(
    check: Annotated[bool, typer.Option("--check", help="Only say whether the bot is let in.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C, a round every few seconds.")] = False,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Post what is new to Discord, and read what people said of it. The studio does so by itself.

    Example: film discord --check
    """
    from film_pipeline.discord.rounds import Account, one_round
    from film_pipeline.discord.rounds import check as checked
    from film_pipeline.resources.film import REVIEW_URL

    with opened(production) as film:
        account = Account.from_environment(os.environ, os.environ.get("FILM_REVIEW_URL") or REVIEW_URL)
        if check:
            lines = checked(film, account)
            if as_json:
                print_json({"check": lines})
            tell(*lines)
            return
        root, done = film.root, one_round(film, account, insist=True)
    if as_json:
        print_json(done.as_json())
    tell(done.said())
    if watch:
        _watch(root, account)
    elif done.stopped or done.problems:
        raise typer.Exit(1)


def _watch(root: "Path", account: "Account") -> None:
    """Round after round; the film is opened anew each time, so that what its author changes is seen."""
    from film_pipeline.departments.film import Film
    from film_pipeline.discord.rounds import one_round

    try:
        while True:
            time.sleep(_WATCH_S)
            with Film(root) as film:
                said = one_round(film, account).said()
            if said != _NOTHING:
                tell(said)
    except KeyboardInterrupt:
        tell("nobody reads the channel any more")
