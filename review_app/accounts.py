"""Accounts: who is who, who is in, and whose key is open. The only writer of people, sessions and invitations."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from film_pipeline.core import keys
from film_pipeline.core.passwords import NOBODY, checked_password, derived, hash_of, is_password, kept_of, new_token
from film_pipeline.core.problems import FilmProblem
from film_pipeline.signing import key_file, keys_folder, open_key
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.invitations import Invitation
from film_pipeline.stores.ledger.people import ROLES, Person, Role
from review_app.keyring import KeyRing, Unlocked
from review_app.limits import Limit, address_key

QUARTER_S = 15 * 60.0
LARGEST_KEY = 16_384
_BELIEVED_S = 1.0
"""So long a session is believed without asking the ledger again: a page asks for dozens of pictures."""
_BELIEVED_MOST = 2048
_SEEN_EVERY_S = 60.0
_HASHES_AT_ONCE = 2
"""Each takes 32 MB and a third of a second."""


@dataclass(frozen=True)
class Who:
    """Whoever asks for a page. session: the hash of their token. csrf: what every form of theirs carries."""

    name: str
    role: Role
    session: str
    csrf: str

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class TooOften(FilmProblem):
    """Somebody tries too often."""

    @classmethod
    def after(cls, seconds: float) -> "TooOften":
        minutes = max(1, round(seconds / 60))
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        return cls("that was tried too often", f"wait {wait}")


class NotAllowed(FilmProblem):
    """Somebody may not do what they ask for."""

    @classmethod
    def to(cls, who: Who | None, role: Role, what: str) -> "NotAllowed":
        name = f"{who.name} is {_a(who.role)}" if who else "nobody is logged in"
        return cls(f"only {_a(role)} may {what}, and {name}", "ask an owner of the film")


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"


class Accounts:
    """Who may come in. Everything here may block: call it in a thread.

    ledger: asked for anew each time, because production.yaml may have changed.
    """

    def __init__(
        self, ledger: Callable[[], Ledger], keyring: KeyRing | None = None, keys_in: Path | None = None
    ) -> None:
        self._ledger = ledger
        self.keyring = keyring or KeyRing()
        self.keys_in = keys_in or keys_folder(os.environ, Path.home())
        self._by_account = Limit(10, QUARTER_S)
        self._by_address = Limit(40, QUARTER_S)
        self._by_key = Limit(6, QUARTER_S)
        self._hashing = threading.BoundedSemaphore(_HASHES_AT_ONCE)
        self._believed: dict[str, tuple[float, Who]] = {}
        self._seen: dict[str, float] = {}
        self._cookie = ""

    @property
    def ledger(self) -> Ledger:
        return self._ledger()

    @property
    def cookie(self) -> str:
        """The cookie's name. Cookies know no ports: each film on a machine has its own."""
        self._cookie = self._cookie or f"film_{self.ledger.id[:8]}"
        return self._cookie

    # Coming in

    def log_in(self, name: str, password: str, address: str) -> str:
        """The token of a new session. Raises TooOften, and FilmProblem where name and password are nobody's."""
        if wait_s := self._by_address.try_now(address_key(address)):
            raise TooOften.after(wait_s)
        person = self._known(name, password)
        if person is None:
            raise FilmProblem("this name and password are nobody's", "check both, or ask an owner for a new link")
        return self._begin(person.name)

    def _known(self, name: str, password: str) -> Person | None:
        """Whose name and password it is. Raises TooOften."""
        account = name.casefold()[:128]
        if wait_s := self._by_account.try_now(account):
            raise TooOften.after(wait_s)
        person = self.ledger.people.like(name)
        kept = person.password_hash if person is not None and person.active and person.password_hash else NOBODY
        # It takes as long for nobody as for somebody, so that nobody learns who there is.
        with self._hashing:
            known = is_password(password, kept)
        if not known or kept is NOBODY:
            return None
        self._by_account.forgive(account)
        return person

    def change_password(self, who: Who, password: str, new: str) -> str:
        """Give oneself another password. Returns the token of a new session; all others end, and open keys lock.

        Raises TooOften, and FilmProblem where the password is not theirs or the new one is none.
        """
        if self._known(who.name, password) is None:
            raise FilmProblem("this is not your password", "type the one that you came in with")
        checked_password(new, who.name)
        return self.accept(self._link(who.name, who.name), who.name, new)

    def _begin(self, name: str) -> str:
        token = new_token()
        self.ledger.sessions.begin(name, kept_of(token))
        return token

    def who(self, token: str) -> Who | None:
        """Whose token it is. The ledger is asked at most once a second."""
        now = time.monotonic()
        believed = self._believed.get(token)
        if believed is not None and now - believed[0] < _BELIEVED_S:
            return believed[1]
        found = self.ledger.sessions.person_of(kept_of(token))
        if found is None:
            self._believed.pop(token, None)
            self.keyring.drop(kept_of(token))
            return None
        person, session = found
        who = Who(person.name, person.role, session.token_sha256, derived(token, "csrf"))
        if len(self._believed) >= _BELIEVED_MOST:
            self._believed.clear()
        self._believed[token] = (now, who)
        return who

    def was_here(self, who: Who) -> None:
        """Somebody does something by hand: their session, and their key if it is open, last longer."""
        self.keyring.touch(who.session)
        now = time.monotonic()
        if now - self._seen.get(who.session, -_SEEN_EVERY_S) >= _SEEN_EVERY_S:
            if len(self._seen) >= _BELIEVED_MOST:
                self._seen.clear()
            self._seen[who.session] = now
            self.ledger.sessions.seen(who.session)

    def log_out(self, token: str) -> None:
        self.keyring.drop(kept_of(token))
        self._believed.pop(token, None)
        self.ledger.sessions.end(kept_of(token))

    def log_out_elsewhere(self, who: Who) -> int:
        """End all other sessions of somebody. Returns how many there were."""
        ended = self.ledger.sessions.end_all(who.name, but=who.session)
        self._forget(who.name, but=who.session)
        return ended

    def _forget(self, person: str, but: str = "") -> None:
        """Whatever was believed of somebody is asked for again."""
        self.keyring.drop_all_of(person, but)
        self._believed.clear()

    # Links

    def first_link(self) -> str:
        """The token of a link that makes an owner; empty where the film has one."""
        if self.ledger.people.owned():
            return ""
        token = new_token()
        self.ledger.invitations.make("", kept_of(token), "the terminal")
        return token

    def invitation(self, token: str) -> Invitation | None:
        return self.ledger.invitations.waiting(kept_of(token))

    def accept(self, token: str, name: str, password: str) -> str:
        """Take a link up. Returns the token of a new session. Raises FilmProblem where link or password is none."""
        invitation = self.invitation(token)
        if invitation is None:
            raise FilmProblem("this link was used, has expired, or never was", "ask for a new one")
        checked_password(password, invitation.person or name)
        with self._hashing:
            kept = hash_of(password)
        person = self.ledger.invitations.accept(kept_of(token), name, kept)
        self._forget(person.name)
        return self._begin(person.name)

    # People

    def add(self, who: Who, name: str, role: str) -> str:
        """Enter somebody. Returns the token of the link by which they come in."""
        self._must(who, "owner", "let people in")
        self.ledger.people.add(name, _role(role))
        return self._link(name, who.name)

    def link(self, who: Who, name: str) -> str:
        """A new link for somebody who forgot their password."""
        self._must(who, "owner", "let people in")
        return self._link(name, who.name)

    def _link(self, name: str, by: str) -> str:
        token = new_token()
        self.ledger.invitations.make(name, kept_of(token), by)
        return token

    def give_role(self, who: Who, name: str, role: str) -> Person:
        self._must(who, "owner", "say who is who")
        person = self.ledger.people.give_role(name, _role(role))
        if not person.may("approver"):
            self._forget(person.name)
        self._believed.clear()
        return person

    def remove(self, who: Who, name: str) -> Person:
        """Let somebody in no more; they are out at once."""
        self._must(who, "owner", "say who is who")
        person = self.ledger.people.remove(name)
        self._forget(person.name)
        return person

    def _must(self, who: Who | None, role: Role, what: str) -> None:
        if who is None or not who.may(role):
            raise NotAllowed.to(who, role, what)

    # Keys

    def unlock(self, who: Who, passphrase: str, pem: bytes = b"") -> Unlocked:
        """Open somebody's own key for their session: the one of their name in the keys' folder, or one they bring.

        Raises NotAllowed, TooOften, and FilmProblem for a wrong passphrase and for a key that is not theirs.
        """
        self._must(who, "approver", "sign")
        if wait_s := self._by_key.try_now(who.name):
            raise TooOften.after(wait_s)
        private = self._opened(who, passphrase, pem)
        public = keys.public_key_of(private)
        mine = [one.public_key for one in self.ledger.books.approvers if one.name == who.name]
        if public not in mine:
            raise FilmProblem(
                f"production.yaml names no approver {who.name} with the key {keys.fingerprint(public)}",
                f"add it: film key new {who.name} --add, or its public half by hand",
            )
        self._by_key.forgive(who.name)
        unlocked = Unlocked(who.name, private, keys.fingerprint(public))
        self.keyring.put(who.session, who.name, unlocked)
        return unlocked

    def _opened(self, who: Who, passphrase: str, pem: bytes) -> Ed25519PrivateKey:
        if len(pem) > LARGEST_KEY:
            raise FilmProblem("this is no key: it is too large", "choose the .pem file that film key new made")
        if pem:
            return keys.open_private_key(pem, passphrase)
        try:
            return open_key(key_file(self.keys_in, who.name), passphrase)
        except FilmProblem as problem:
            # Where keys lie on the server is nobody's business but the server's.
            raise FilmProblem(problem.problem, problem.mend.replace(str(self.keys_in), "KEYS")) from problem

    def has_key_file(self, who: Who) -> bool:
        """Whether the keys' folder has a key of this name."""
        try:
            return key_file(self.keys_in, who.name).is_file()
        except FilmProblem:
            return False

    def close(self) -> None:
        self.keyring.close()


def _role(text: str) -> Role:
    role = next((one for one in ROLES if one == text), None)
    if role is None:
        raise FilmProblem(f"{text!r} is no role", f"choose among {', '.join(ROLES)}")
    return role
