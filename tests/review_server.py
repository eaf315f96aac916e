"""A review app behind a real server, and waiting for what is going to be true."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from playwright.sync_api import BrowserContext, Page
from starlette.applications import Starlette
from starlette.testclient import TestClient

from film_pipeline.core.passwords import NOBODY, kept_of, new_token
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.people import Person, Role
from review_app.accounts import Accounts


def session_of(app: Starlette, name: str = "ada", role: Role = "owner") -> tuple[str, str]:
    """The cookie of somebody who is in, as an owner unless said otherwise. Nobody types a password for it."""
    accounts: Accounts = app.state.accounts
    return session_in(accounts.ledger, name, role)


def session_in(ledger: Ledger, name: str = "ada", role: Role = "owner") -> tuple[str, str]:
    token = new_token()
    ledger.people.put(Person(name, role, password_hash=NOBODY))
    ledger.sessions.begin(name, kept_of(token))
    return Accounts(lambda: ledger).cookie, token


_OWNERS: dict[str, tuple[str, str]] = {}
"""The cookie of an owner for each address that is served now."""


def let_in(context: BrowserContext, address: str, cookie: tuple[str, str]) -> None:
    """Give a browser the cookie of somebody who is in."""
    context.add_cookies([{"name": cookie[0], "value": cookie[1], "url": address}])


def let_owner_in(context: BrowserContext) -> None:
    """Give a browser the cookie of an owner for everything that is served now."""
    for address, cookie in _OWNERS.items():
        let_in(context, address, cookie)


@contextmanager
def inside(app: Starlette, name: str = "ada", role: Role = "owner") -> Iterator[TestClient]:
    """The app without a network in between, with somebody logged in."""
    cookie, token = session_of(app, name, role)
    with TestClient(app, base_url="http://127.0.0.1", cookies={cookie: token}) as client:
        yield client


@contextmanager
def served(app: Starlette, page: Page | None = None, owned: bool = True) -> Iterator[str]:
    """The app behind a real server on a free port of this machine; gives its address.

    page: where somebody is let in as an owner. Pages that are opened later are let in by `let_owner_in`.
    owned: whether the film has an owner, who can be let in.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < give_up, "the review app does not start"
        time.sleep(0.02)
    address = f"http://127.0.0.1:{port}"
    if owned:
        _OWNERS[address] = session_of(app)
    if page is not None:
        let_owner_in(page.context)
    try:
        yield address
    finally:
        _OWNERS.pop(address, None)
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the review app does not end"


def until(holds: Callable[[], object], why: str, timeout_s: float = 15) -> None:
    """Wait for something that is going to be true."""
    give_up = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up, why
        time.sleep(0.05)
