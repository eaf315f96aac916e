"""The gate of a shot: what it would cost, what a signature covers, why it is locked, signing and taking back."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.stores.ledger.spend import Total
from film_pipeline.stores.ledger.takes import Take
from review_app.accounts import Who
from review_app.pages.answers import done, form_of, key_in, number_of, text_of, who_asks, writing
from review_app.pages.desk import Desk
from review_app.queries import Proposal, Standing
from review_app.verdicts import LONGEST_VALID_DAYS, Signature, amount

MOST_TAKES = 99
_TAKES = 2


def routes(desk: Desk) -> list[Route]:
    accounts, queries, verdicts = desk.accounts, desk.queries, desk.verdicts

    def asked(shot: str, takes: int) -> tuple[Standing, Proposal | None]:
        found = queries.standing(shot)
        return found, queries.proposal(found.frames, takes) if found.covered else None

    async def total_of() -> Total:
        """As it was added up last; asking the book itself takes as long as the film is large."""
        sums = await queries.reckoning.fresh()
        return sums.total if sums.known else await run_in_threadpool(accounts.ledger.spend.total)

    async def page(request: Request) -> Response:
        seen, shot = await desk.shot(request.path_params["shot"])
        who, takes = who_asks(request), takes_in(request)
        standing, proposal = await run_in_threadpool(asked, shot.name, takes)
        assert seen.reading is not None
        before, after = seen.reading.around(shot.name)
        return await desk.page(
            request,
            "gate.html",
            title=f"The gate of {shot.name}",
            here="scenes",
            parts=("gate",),
            shot=shot,
            standing=standing,
            proposal=proposal,
            takes=takes,
            most_takes=MOST_TAKES,
            is_approver=any(one.name == who.name for one in accounts.ledger.books.approvers),
            has_key=await run_in_threadpool(accounts.has_key_file, who),
            total=await total_of(),
            before=before,
            after=after,
        )

    async def quotes(request: Request) -> Response:
        """The prices of so many takes; asked again until every backend has said whether it is there."""
        _, shot = await desk.shot(request.path_params["shot"])
        takes = takes_in(request)
        _, proposal = await run_in_threadpool(asked, shot.name, takes)
        return await desk.page(request, "_quotes.html", shot=shot, takes=takes, proposal=proposal)

    async def sign(request: Request) -> Response:
        _, shot = await desk.shot(request.path_params["shot"], wait_s=0)
        form = await form_of(request, files=1)
        key = await key_in(form)
        _, take = await run_in_threadpool(_sign, desk, who_asks(request), signature_of(shot.name, form), *key)
        said = f"signed; take {take.take} is asked for"
        return done(request, said, f"/shots/{shot.name}?a=render.{take.take}", take=take.take)

    async def revoke(request: Request) -> Response:
        _, shot = await desk.shot(request.path_params["shot"], wait_s=0)
        form = await form_of(request)
        await run_in_threadpool(
            verdicts.revoke, who_asks(request), shot.name, text_of(form, "approval"), text_of(form, "why")
        )
        return done(request, "taken back: the gate is locked", f"/shots/{shot.name}/gate")

    return [
        Route("/shots/{shot}/gate", page),
        Route("/shots/{shot}/gate/quotes", quotes),
        Route("/shots/{shot}/gate/sign", writing(desk, sign), methods=["POST"]),
        Route("/shots/{shot}/gate/revoke", writing(desk, revoke), methods=["POST"]),
    ]


def takes_in(request: Request) -> int:
    text = request.query_params.get("takes", "")
    return min(max(int(text), 1), MOST_TAKES) if text.isascii() and text.isdigit() and len(text) < 5 else _TAKES


def signature_of(shot: str, form: FormData) -> Signature:
    """What somebody signs. Raises FilmProblem for a field that can't be read."""
    frame_cap = text_of(form, "frame_cap").strip()
    return Signature(
        shot=shot,
        seen=text_of(form, "seen"),
        takes=number_of(form, "takes", "takes", 1, MOST_TAKES),
        cap_usd=amount(text_of(form, "cap"), "the cap"),
        backends=tuple(name for name in form.getlist("backend") if isinstance(name, str)),
        frame_cap_usd=amount(frame_cap, "the most for a frame") if frame_cap else None,
        valid_days=number_of(form, "days", "days", 1, LONGEST_VALID_DAYS),
        note=text_of(form, "note"),
    )


def _sign(desk: Desk, who: Who, signature: Signature, passphrase: str, pem: bytes) -> tuple[Any, Take]:
    if passphrase and desk.accounts.keyring.of(who.session) is None:
        desk.accounts.unlock(who, passphrase, pem)
    return desk.verdicts.sign(who, signature)
