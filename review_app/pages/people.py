"""People: who may come in and as what. Only owners have this page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.stores.ledger.people import ROLES
from review_app.accounts import NotAllowed
from review_app.pages.answers import done, form_of, text_of, who_asks, writing
from review_app.pages.desk import Desk

ROLE_WORDS = {
    "viewer": "looks",
    "reviewer": "looks, says of takes, draws and writes notes",
    "approver": "reviews, signs with a key of their own, takes back, shares, settles what is uncertain",
    "owner": "all of that, and says who is who",
}


def routes(desk: Desk) -> list[Route]:
    accounts = desk.accounts

    async def shown(request: Request, link: str = "", invited: str = "") -> Response:
        who = who_asks(request)
        if not who.may("owner"):
            raise NotAllowed.to(who, "owner", "say who is who")
        everybody = await run_in_threadpool(accounts.ledger.people.all)
        return await desk.page(
            request,
            "people.html",
            title="People",
            people=everybody,
            roles=ROLES,
            role_words=ROLE_WORDS,
            signers=[one.name for one in accounts.ledger.books.approvers],
            link=link,
            invited=invited,
        )

    async def page(request: Request) -> Response:
        return await shown(request)

    def link_of(request: Request, token: str) -> str:
        return str(request.url.replace(path=f"/welcome/{token}", query=""))

    async def invite(request: Request) -> Response:
        form = await form_of(request)
        name = text_of(form, "name").strip()
        token = await run_in_threadpool(accounts.add, who_asks(request), name, text_of(form, "role"))
        return await shown(request, link_of(request, token), name)

    async def again(request: Request) -> Response:
        name = text_of(await form_of(request), "name")
        token = await run_in_threadpool(accounts.link, who_asks(request), name)
        return await shown(request, link_of(request, token), name)

    async def role(request: Request) -> Response:
        form = await form_of(request)
        person = await run_in_threadpool(
            accounts.give_role, who_asks(request), text_of(form, "name"), text_of(form, "role")
        )
        return done(request, f"{person.name} is {person.role} now", "/people")

    async def remove(request: Request) -> Response:
        name = text_of(await form_of(request), "name")
        person = await run_in_threadpool(accounts.remove, who_asks(request), name)
        return done(request, f"{person.name} is let in no more", "/people")

    posts = {"/people": invite, "/people/link": again, "/people/role": role, "/people/remove": remove}
    return [
        Route("/people", writing(desk, page)),
        *(Route(address, writing(desk, handler), methods=["POST"]) for address, handler in posts.items()),
    ]
