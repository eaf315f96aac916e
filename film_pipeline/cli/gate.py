"""The gate and the money: key, quote, approve, approvals, revoke, take, circle, reject, spend, workers."""

import getpass
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from film_pipeline.cli.telling import AsJson, Where, app, opened, print_json, tell, told
from film_pipeline.core.money import usd, written
from film_pipeline.core.problems import FilmProblem

_PASSPHRASE = "FILM_KEY_PASSPHRASE"
key_app = typer.Typer(no_args_is_help=True, help="Signing keys. Example: film key new director")
app.add_typer(key_app, name="key")

Signer = Annotated[str, typer.Option("--as", help="Who signs: the name in production.yaml and of the key.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", help="The private key; the signer's in the keys' folder unless given.", show_default=False),
]
Reason = Annotated[str, typer.Option("--note", help="In a few words, why.")]


def _amount(text: str) -> Decimal:
    try:
        return usd(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _passphrase(what: str, twice: bool = False) -> str:
    """From FILM_KEY_PASSPHRASE, else asked at the terminal and never shown."""
    given = os.environ.get(_PASSPHRASE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise FilmProblem("there is no terminal to ask for the passphrase", f"set {_PASSPHRASE} for this command alone")
    first = getpass.getpass(f"Passphrase {what}: ")
    if twice and getpass.getpass("Once more: ") != first:
        raise FilmProblem("the two passphrases differ", "try again")
    return first


def _keys_folder() -> Path:
    from film_pipeline.signing import keys_folder

    return keys_folder(os.environ, Path.home())


@key_app.command("new")
@told
def key_new(
    name: Annotated[str, typer.Argument(help="Whose key: the name that stands in production.yaml.")],
    role: Annotated[str, typer.Option(help="What they sign as.")] = "director",
    add: Annotated[bool, typer.Option("--add", help="Add the public key to production.yaml.")] = False,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Make a key pair to sign with. The private key is encrypted and lies outside every production.

    Example: film key new director --add
    """
    from film_pipeline.signing import add_approver, new_key

    made = new_key(_keys_folder(), name, _passphrase(f"for the new key of {name}", twice=True), role)
    added = None
    if add:
        with opened(production) as film:
            added = film.root / "production.yaml"
            add_approver(added, made.approver)
    if as_json:
        print_json(
            {"key": str(made.path), "public_key": made.approver.public_key, "added_to": str(added) if added else None}
        )
    tell(f"{made.path} is the private key ({made.fingerprint}). Keep it, and its passphrase, to yourself.")
    if added is None:
        tell("What belongs into production.yaml, so that its signatures count:", made.block)
    else:
        tell(f"its public half stands in {added}")


@app.command()
@told
def quote(
    shot: str,
    takes: Annotated[int, typer.Option(min=1, help="How many takes.")] = 1,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Show what takes of a shot would cost at each backend, and whether the gate is open. An unknown price is unknown.

    Example: film quote SC010_SH020 --takes 4
    """
    from film_pipeline.gatekeeping import quote as asked
    from film_pipeline.gatekeeping import said_of

    with opened(production) as film:
        quoted = asked(film, shot, takes)
    if as_json:
        print_json(quoted.as_json())
        return
    console = Console(highlight=False)
    console.print(f"{shot}: {takes} x {quoted.frames} frames")
    for one in quoted.backends:
        now = "ready" if one.ready else f"not ready: {one.why}"
        console.print(f"  {one.quote.backend:20} {written(one.quote.cost_usd):>16}   {now}", markup=False)
        console.print(f"    {one.quote.said}", markup=False, style="dim")
    tell(said_of(quoted.verdict))


@app.command("approve")
@told
def approve_shot(
    shot: str,
    cap: Annotated[str, typer.Option(help="What all of it may cost at most, in USD, such as 1.00.")],
    signer: Signer,
    takes: Annotated[int, typer.Option(min=1, help="How many takes at most.")] = 1,
    backends: Annotated[
        list[str] | None, typer.Option("--backend", help="Only these backends; repeat it.", show_default=False)
    ] = None,
    frame_cap: Annotated[
        str | None, typer.Option(help="What one frame of unknown price may cost at most.", show_default=False)
    ] = None,
    key: KeyFile = None,
    note: Reason = "",
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Sign for a shot as it is composed now, and ask for its first take. Further takes: film take.

    Example: film approve SC010_SH020 --takes 4 --cap 1.00 --as director
    """
    from film_pipeline.gatekeeping import Signing, sign
    from film_pipeline.signing import key_file

    with opened(production) as film:
        signing = Signing(
            shot=shot,
            takes=takes,
            cap_usd=_amount(cap),
            signer=signer,
            key=key or key_file(_keys_folder(), signer),
            passphrase=_passphrase(f"of {signer}'s key"),
            backends=tuple(backends or ()),
            frame_cap_usd=None if frame_cap is None else _amount(frame_cap),
            note=note,
        )
        approval, take = sign(film, signing)
    if as_json:
        print_json({"approval": approval.model_dump(mode="json"), "take": take.take})
    until = approval.expires_at[:10]
    tell(f"{signer} signed for {shot}: {takes} takes, {written(approval.cap_usd)} at most, until {until}.")
    tell(f"Take {take.take} is asked for. Next: film run --shots {shot}, or let the studio's sensor start it.")


@app.command()
@told
def revoke(
    approval: Annotated[str, typer.Argument(help="A shot, or an approval's id (its beginning is enough).")],
    note: Reason = "",
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Take approvals back. Nothing more is ordered on them; what is under way comes home.

    Example: film revoke SC010_SH020 --note 'the door must be closed'
    """
    from film_pipeline.signing import revoke as taken_back

    with opened(production) as film:
        ended = taken_back(film.ledger, approval, film.author, note)
    if as_json:
        print_json({"revoked": ended})
    tell(*(f"approval {one} is taken back" for one in ended))


@app.command()
@told
def approvals(
    shot: Annotated[str, typer.Argument(help="Only this shot's.", show_default=False)] = "",
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """List every approval: what is left of it, and why it opens nothing where it does not.

    Example: film approvals SC010_SH020
    """
    from film_pipeline.signing import approvals_table

    with opened(production) as film:
        if shot:
            film.shot(shot)
        lines = approvals_table(film.ledger, shot)
    if as_json:
        print_json({"heading": lines[0], "rows": lines[1:]})
        return
    if len(lines) == 1:
        tell("nobody has signed for anything yet" if not shot else f"nobody has signed for {shot} yet")
        return
    _print_table("Approvals", lines)


@app.command()
@told
def take(
    shot: str,
    direction: Annotated[str, typer.Option(help="What is to be different: it goes into the prompt of this take.")] = "",
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Ask for one more take of a shot, inside what was signed.

    Example: film take SC010_SH020 --direction 'colder light, she looks down'
    """
    from film_pipeline.gatekeeping import another_take

    with opened(production) as film:
        asked = another_take(film, shot, film.author, "cli", direction)
    if as_json:
        print_json({"shot": shot, "take": asked.take})
    tell(f"take {asked.take} of {shot} is asked for. Next: film run --shots {shot}")


@app.command()
@told
def circle(shot: str, number: int, note: Reason = "", production: Where = None, as_json: AsJson = False) -> None:
    """Choose a take: it goes into the cut.

    Example: film circle SC010_SH020 3
    """
    _say(shot, number, "circle", note, production, as_json)


@app.command()
@told
def reject(shot: str, number: int, note: Reason = "", production: Where = None, as_json: AsJson = False) -> None:
    """Reject a take. One that was circled is no longer in the cut.

    Example: film reject SC010_SH020 2 --note 'the hand melts'
    """
    _say(shot, number, "reject", note, production, as_json)


def _say(shot: str, number: int, word: Any, note: str, production: Path | None, as_json: bool) -> None:
    from film_pipeline.gatekeeping import say_of_take

    with opened(production) as film:
        say_of_take(film, shot, number, word, film.author, "cli", note)
    if as_json:
        print_json({"shot": shot, "take": number, "verdict": word})
    tell(f"take {number} of {shot} is {word}{'d' if word.endswith('e') else 'ed'}. Next: film run")


@app.command()
@told
def spend(
    by: Annotated[str, typer.Option(help="day, shot, engine or approval.")] = "day",
    uncertain: Annotated[bool, typer.Option("--uncertain", help="List the jobs that wait for a person.")] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write every entry to this file.", show_default=False)
    ] = None,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Show the money: reserved, settled, uncertain.

    Example: film spend --by engine
    """
    from film_pipeline.signing import spend_table, write_spend_csv

    if by not in ("day", "shot", "engine", "approval"):
        raise typer.BadParameter("choose day, shot, engine or approval", param_hint="--by")
    with opened(production) as film:
        lines = spend_table(film.ledger, by)  # type: ignore[arg-type]
        doubtful = _uncertain_jobs(film.ledger)
        if csv is not None:
            with csv.open("w", encoding="utf-8", newline="") as file:
                tell(f"{write_spend_csv(film.ledger, file)} entries are in {csv}")
    if as_json:
        print_json({"heading": lines[0], "rows": lines[1:], "uncertain": doubtful})
        return
    if uncertain:
        _print_table(
            "Jobs that wait for a person",
            [["job", "shot", "take", "frame", "backend", "held", "why"], *(list(job.values()) for job in doubtful)],
        )
        return
    _print_table("Spend", lines)
    if doubtful:
        tell(f"{len(doubtful)} jobs are uncertain: film spend --uncertain")


def _uncertain_jobs(ledger: Any) -> list[dict[str, str]]:
    from film_pipeline.core.jobs import JobState

    return [
        {
            "job": job.ticket.job,
            "shot": job.ticket.shot,
            "take": str(job.ticket.take),
            "frame": str(job.ticket.frame or ""),
            "backend": job.ticket.backend,
            "held": written(job.held_usd),
            "why": job.error,
        }
        for job in ledger.jobs.of(states=(JobState.UNCERTAIN,))
    ]


@app.command()
@told
def resolve(
    job: str,
    found: Annotated[
        str | None, typer.Option(help="The provider has it, under this id: it goes on.", show_default=False)
    ] = None,
    never: Annotated[bool, typer.Option("--never", help="It was never submitted: its money is free again.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="It was paid for and is lost: its money is spent.")] = False,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Say what came of a job that is uncertain, after looking at the provider's own list.

    Example: film resolve 6f1c2d3e-0000-5000-8000-000000000000 --never
    """
    from film_pipeline.core.jobs import Found, NeverSubmitted, PaidAndLost

    if (found is not None) + never + lost != 1:
        raise typer.BadParameter("say one of --found ID, --never and --lost")
    outcome = Found(found) if found is not None else NeverSubmitted() if never else PaidAndLost()
    with opened(production) as film:
        resolved = film.ledger.resolve(job, outcome, film.author)
    if as_json:
        print_json({"job": job, "state": resolved.state.value})
    tell(f"job {job} is {resolved.state.value}. Next: film run --shots {resolved.ticket.shot}")


@app.command()
@told
def workers(production: Where = None, as_json: AsJson = False) -> None:
    """Show each backend and machine: its state, the job in hand, what waits, and what was spent there today.

    Example: film workers --json
    """
    from film_pipeline.workers import worker_rows

    with opened(production) as film:
        rows = worker_rows(film)
    if as_json:
        print_json({"workers": rows})
        return
    columns = {
        "backend": "backend",
        "worker": "machine",
        "state": "state",
        "job_in_hand": "in hand",
        "queued": "waits",
        "seconds_per_frame": "s/frame",
        "usd_per_hour": "USD/h",
        "spent_today_usd": "today",
        "why": "why",
    }
    lines = [["" if row[name] is None else str(row[name])[:18] for name in columns] for row in rows]
    _print_table("Workers", [list(columns.values()), *lines])


def _print_table(title: str, lines: list[list[str]]) -> None:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in lines[0]:
        table.add_column(heading, overflow="fold")
    for line in lines[1:]:
        table.add_row(*line)
    Console().print(table)
