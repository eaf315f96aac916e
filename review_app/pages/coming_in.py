"""Coming in: login, the link that lets somebody choose a password, one's own account, and going out."""

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from film_pipeline.core.passwords import SHORTEST_PASSWORD, new_token
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.people import LONGEST_NAME
from film_pipeline.stores.ledger.sessions import LASTS
from review_app.accounts import Accounts, TooOften
from review_app.doors import csrf_of_visit, safe_next, session_cookie, set_session, visit_cookie
from review_app.pages.answers import done, form_of, key_in, text_of, who_asks, writing
from review_app.pages.desk import Desk

_LASTS_S = int(LASTS.total_seconds())


def routes(desk: Desk) -> list[Route]:
    accounts = desk.accounts

    async def at_the_door(request: Request, template: str, status: int = 200, **shown: object) -> Response:
        """A page for somebody who is not in: its form carries the token of this visit."""
        visit = request.state.visit or new_token()
        response = await desk.page(request, template, status, csrf=csrf_of_visit(visit), **shown)
        if not request.state.visit:
            scope = request.scope
            response.set_cookie(
                visit_cookie(accounts.cookie, scope),
                visit,
                path="/",
                secure=scope["scheme"] == "https",
                httponly=True,
                samesite="strict",
            )
        return response

    async def login_page(request: Request) -> Response:
        back = safe_next(request.query_params.get("next", ""))
        if request.state.person is not None:
            return RedirectResponse(back, 303)
        owned = await run_in_threadpool(accounts.ledger.people.owned)
        return await at_the_door(request, "login.html", title="Log in", next=back, owned=owned, name="", told="")

    async def log_in(request: Request) -> Response:
        form = await form_of(request)
        name, back = text_of(form, "name").strip(), safe_next(text_of(form, "next"))
        address = request.client.host if request.client else ""
        try:
            token = await run_in_threadpool(accounts.log_in, name, text_of(form, "password"), address)
        except FilmProblem as problem:
            status = 429 if isinstance(problem, TooOften) else 401
            told = f"{problem.problem[0].upper()}{problem.problem[1:]}: {problem.mend}."
            return await at_the_door(
                request,
                "login.html",
                status,
                title="Log in",
                next=back,
                owned=True,
                name=name[:LONGEST_NAME],
                told=told,
            )
        passphrase = text_of(form, "passphrase")
        if passphrase and (locked := await run_in_threadpool(_unlock, accounts, token, passphrase)):
            back = f"/account?locked={quote(locked)}"
        return await come_in(request, token, back)

    async def come_in(request: Request, token: str, back: str) -> Response:
        """Give the browser its new session; the one that it had before, whoever's it was, ends."""
        if request.state.token:
            await run_in_threadpool(accounts.log_out, request.state.token)
        response = RedirectResponse(back, 303)
        set_session(response, request.scope, accounts, token, _LASTS_S)
        response.delete_cookie(visit_cookie(accounts.cookie, request.scope), path="/")
        return response

    async def log_out(request: Request) -> Response:
        await run_in_threadpool(accounts.log_out, request.state.token)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(session_cookie(accounts.cookie, request.scope), path="/")
        # Nothing that the browser remembers of the film stays on a machine that others use.
        response.headers["clear-site-data"] = '"cache"'
        return response

    async def welcome(request: Request) -> Response:
        invitation = await run_in_threadpool(accounts.invitation, request.path_params["token"])
        shown = {"title": "Welcome", "invitation": invitation, "told": "", "name": "", "shortest": SHORTEST_PASSWORD}
        approvers = [one.name for one in accounts.ledger.books.approvers]
        return await at_the_door(request, "welcome.html", 200 if invitation else 404, approvers=approvers, **shown)

    async def accept(request: Request) -> Response:
        form = await form_of(request)
        token, name, password = request.path_params["token"], text_of(form, "name").strip(), text_of(form, "password")
        try:
            _typed_twice(password, text_of(form, "again"))
            session = await run_in_threadpool(accounts.accept, token, name, password)
        except FilmProblem as problem:
            invitation = await run_in_threadpool(accounts.invitation, token)
            told = f"{problem.problem[0].upper()}{problem.problem[1:]}: {problem.mend}."
            approvers = [one.name for one in accounts.ledger.books.approvers]
            return await at_the_door(
                request,
                "welcome.html",
                409,
                title="Welcome",
                invitation=invitation,
                told=told,
                name=name[:LONGEST_NAME],
                shortest=SHORTEST_PASSWORD,
                approvers=approvers,
            )
        return await come_in(request, session, "/scenes")

    async def account(request: Request) -> Response:
        who = who_asks(request)
        sessions = await run_in_threadpool(accounts.ledger.sessions.of, who.name)
        return await desk.page(
            request,
            "account.html",
            title="Your account",
            sessions=sessions,
            mine=who.session,
            is_approver=any(one.name == who.name for one in accounts.ledger.books.approvers),
            has_key=await run_in_threadpool(accounts.has_key_file, who),
            told=request.query_params.get("locked", "")[:300],
            changed="changed" in request.query_params,
            shortest=SHORTEST_PASSWORD,
        )

    async def unlock(request: Request) -> Response:
        """Open somebody's own key for their session."""
        form = await form_of(request, files=1)
        unlocked = await run_in_threadpool(accounts.unlock, who_asks(request), *await key_in(form))
        return done(request, f"the key {unlocked.fingerprint} is open", safe_next(text_of(form, "back")))

    async def lock(request: Request) -> Response:
        accounts.keyring.drop(who_asks(request).session)
        return done(request, "your key is locked", "/account")

    async def change_password(request: Request) -> Response:
        form = await form_of(request)
        new = text_of(form, "new")
        _typed_twice(new, text_of(form, "again"))
        token = await run_in_threadpool(accounts.change_password, who_asks(request), text_of(form, "password"), new)
        return await come_in(request, token, "/account?changed=yes")

    async def elsewhere(request: Request) -> Response:
        ended = await run_in_threadpool(accounts.log_out_elsewhere, who_asks(request))
        return done(request, f"{ended} other sessions ended", "/account")

    return [
        Route("/login", login_page),
        Route("/login", log_in, methods=["POST"]),
        Route("/logout", log_out, methods=["POST"]),
        Route("/welcome/{token}", welcome),
        Route("/welcome/{token}", accept, methods=["POST"]),
        Route("/account", account),
        Route("/account/unlock", writing(desk, unlock), methods=["POST"]),
        Route("/account/lock", writing(desk, lock), methods=["POST"]),
        Route("/account/password", writing(desk, change_password), methods=["POST"]),
        Route("/account/elsewhere", writing(desk, elsewhere), methods=["POST"]),
    ]


def _typed_twice(password: str, again: str) -> None:
    if password != again:
        raise FilmProblem("the two passwords differ", "type it twice in the same way")


def _unlock(accounts: Accounts, token: str, passphrase: str) -> str:
    """Open somebody's key as they come in. Returns why it stays locked; empty where it does not."""
    who = accounts.who(token)
    if who is None:
        return ""
    try:
        accounts.unlock(who, passphrase)
    except FilmProblem as problem:
        return problem.problem
    return ""
