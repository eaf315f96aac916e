"""The people of the film: who may come into the review app, and as what."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from film_pipeline.cli.telling import AsJson, Where, app, opened, print_json, tell, told
from film_pipeline.core.passwords import kept_of, new_token
from film_pipeline.core.problems import FilmProblem

if TYPE_CHECKING:
    from film_pipeline.stores.ledger import Ledger
    from film_pipeline.stores.ledger.people import Person, Role

people_app = typer.Typer(no_args_is_help=True, help="Who may come into the review app. Example: film people list")
app.add_typer(people_app, name="people")

Name = Annotated[str, typer.Argument(help="Whom it is about.")]
RoleName = Annotated[str, typer.Argument(help="viewer, reviewer, approver or owner.")]
Address = Annotated[str, typer.Option("--at", help="Where they reach the review app.")]
_REVIEW_APP = "http://127.0.0.1:3030"


@people_app.command("list")
@told
def people_list(production: Where = None, as_json: AsJson = False) -> None:
    """Show everybody, what they may do, and whether they ever came in. Example: film people list"""
    with opened(production) as film:
        rows = _rows(film.ledger)
    if as_json:
        print_json({"people": rows, "problems": []})
        return
    if not rows:
        tell("Nobody yet: the review app prints a link for its owner when it starts.")
        return
    shown = Table(*rows[0], box=SIMPLE_HEAD)
    for row in rows:
        shown.add_row(escape(row["name"]), row["role"], row["state"], "yes" if row["signs"] else "no")
    Console().print(shown)


@people_app.command("invite")
@told
def people_invite(
    name: Name,
    role: RoleName = "reviewer",
    at: Address = _REVIEW_APP,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody in: prints a link in which they choose a password. Example: film people invite grace reviewer

    It works once, for seven days. Somebody who is in already gets a new one, for a forgotten password.
    """
    with opened(production) as film:
        people, token = film.ledger.people, new_token()
        known = people.like(name)
        if known is None or not known.active:
            known = people.add(name, _role(role))
        elif known.role != role and role != "reviewer":
            raise FilmProblem(f"{known.name} is {known.role} already", f"film people role {known.name} {role}")
        film.ledger.invitations.make(known.name, kept_of(token), "the terminal")
    link = f"{at.rstrip('/')}/welcome/{token}"
    if as_json:
        print_json({"name": known.name, "role": known.role, "link": link, "problems": []})
        return
    tell(f"{known.name} comes in as {known.role} by this link, once, within seven days:", "", f"    {link}", "")


@people_app.command("role")
@told
def people_role(name: Name, role: RoleName, production: Where = None, as_json: AsJson = False) -> None:
    """Say what somebody may do, from their next click on. Example: film people role grace approver"""
    with opened(production) as film:
        person = film.ledger.people.give_role(name, _role(role))
    _tell(person, f"{person.name} is {person.role} now.", as_json)


@people_app.command("remove")
@told
def people_remove(name: Name, production: Where = None, as_json: AsJson = False) -> None:
    """Let somebody in no more, at once; their words stay. Example: film people remove grace"""
    with opened(production) as film:
        person = film.ledger.people.remove(name)
    _tell(person, f"{person.name} is let in no more. A key of theirs in production.yaml still signs.", as_json)


def _tell(person: "Person", said: str, as_json: bool) -> None:
    if as_json:
        print_json({"name": person.name, "role": person.role, "active": person.active, "problems": []})
    else:
        tell(said)


def _rows(ledger: "Ledger") -> Sequence[dict[str, Any]]:
    signers = {approver.name for approver in ledger.books.approvers}
    return [
        {
            "name": person.name,
            "role": person.role,
            "state": "in" if person.password_hash else "invited" if person.active else "removed",
            "signs": person.name in signers,
        }
        for person in ledger.people.all()
    ]


def _role(text: str) -> "Role":
    from film_pipeline.stores.ledger.people import ROLES

    role = next((one for one in ROLES if one == text), None)
    if role is None:
        raise FilmProblem(f"{text!r} is no role", f"choose among {', '.join(ROLES)}")
    return role
