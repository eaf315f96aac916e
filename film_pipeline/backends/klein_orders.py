"""What every backend with FLUX.2 Klein in ComfyUI shares: model, recipe, graph, and what must hold before an order."""

from dataclasses import dataclass
from typing import Any

from film_pipeline.backends.comfy_graphs import (
    Graph,
    build_graph,
    fit_of,
    for_recipe,
    lora_said,
    picture_notes,
    with_prefix,
)
from film_pipeline.backends.credentials import Credentials, Order
from film_pipeline.backends.klein import Klein
from film_pipeline.core.gate import Admission, GateLocked, Ticket
from film_pipeline.core.generating import FrameWork, Model, Purpose, SubmitFailed
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe


@dataclass(frozen=True)
class Prepared:
    """An order as it goes to ComfyUI."""

    graph: Graph
    notes: dict[str, Any]
    recipe: Recipe


def klein_recipe(work: FrameWork, klein: Klein, sent_as: str = "as they are") -> Recipe:
    """All that decides the pixels. Which server makes them does not: the same work on another is the same frame.

    sent_as: what became of the references before the server saw them.
    """
    return _recipe_of(build_graph(work, klein), work, klein, sent_as)


def _recipe_of(graph: Graph, work: FrameWork, klein: Klein, sent_as: str) -> Recipe:
    return Recipe(
        {
            "made": "frame by FLUX.2 Klein in ComfyUI",
            "version": 1,
            "model": klein.model.said,
            "files": [{"name": file.name, "sha256": file.sha256} for file in klein.files],
            "graph": for_recipe(graph),
            "references": [
                {"number": number, "role": guide.role, "sha256": guide.sha256}
                for number, guide in enumerate(work.guides, start=1)
            ],
            "references_sent": sent_as if work.guides else "none",
            "lora": lora_said(work.lora),
            "fit": fit_of(work).as_recipe(),
        }
    )


def prepare(work: FrameWork, klein: Klein, sent_as: str = "as they are") -> Prepared:
    """The graph and what ComfyUI writes into the picture. Raises FilmProblem."""
    graph = build_graph(work, klein)
    recipe = _recipe_of(graph, work, klein, sent_as)
    graph = with_prefix(graph, f"film/{recipe.sha256[:16]}")
    return Prepared(graph, picture_notes(work, recipe.sha256, klein.model.said), recipe)


def must_belong(ticket: Ticket, work: FrameWork, backend: str) -> None:
    """Raises GateLocked where a ticket is not for this work at this backend: a ticket buys only what it names."""
    named = (ticket.backend, ticket.shot, ticket.work, ticket.take, ticket.frame)
    asked = (backend, work.shot, work.work, work.take, work.frame)
    if named == asked and ticket.task != work.task:
        raise GateLocked("the ticket is for other work than this", "reserve a ticket for it", shot=work.shot)
    if named != asked:
        raise GateLocked(
            f"the ticket is for {_said(named)}, the work is {_said(asked)}", "reserve a ticket for it", shot=work.shot
        )


def _said(what: tuple[str, str, str, int, int | None]) -> str:
    backend, shot, kind, take, frame = what
    return f"{kind} {take} of {shot}{f', frame {frame}' if frame is not None else ''} at {backend}"


def leave_to_order(
    credentials: Credentials, admission: Admission, backend: str, variable: str, needed: bool = True
) -> Order:
    """The credential for what the gate let through. Raises GateLocked, or SubmitFailed where there is no credential."""
    try:
        return credentials.for_order(admission, backend, variable, needed)
    except GateLocked:
        raise
    except FilmProblem as error:
        raise SubmitFailed(str(error), spill=True) from error


def must_suit(work: FrameWork, purposes: frozenset[Purpose], backend: str) -> None:
    """Raises SubmitFailed where production.yaml does not let the backend do this."""
    if work.purpose not in purposes:
        raise SubmitFailed(
            f"{work.shot}: {backend} is for {', '.join(sorted(purposes))}, not for a {work.purpose}", spill=True
        )


def licence_said(model: Model) -> str:
    """What a person must know of the licence before they sign."""
    if model.commercial:
        return model.said
    return f"{model.said}: NOT for a film that earns money"


def prepared_or_refused(work: FrameWork, klein: Klein, sent_as: str = "as they are") -> Prepared:
    """`prepare`, with what is wrong told as an order that was not sent."""
    try:
        return prepare(work, klein, sent_as)
    except FilmProblem as error:
        raise SubmitFailed(str(error)) from error
