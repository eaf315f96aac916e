"""Credentials: read where they are used, never shown, and for ordering only against what the gate handed out.

Two kinds of what a provider is shown. An `Order` lets one job be sent and is made only from an `Admission` whose
approval carries a signature that production.yaml vouches for. A `Secret` for watching lets jobs be asked about,
fetched, cancelled and ended; nothing that sends an order takes one.
"""

import hashlib
import hmac
import stat
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from film_pipeline.core.gate import Admission, GateLocked, why_not
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production

FILE_VARIABLE = "FILM_CREDENTIALS"
RUNPOD_ORDER = "RUNPOD_API_KEY"
RUNPOD_WATCH = "RUNPOD_WATCH_KEY"
_HIDDEN = "***"
_OURS = object()


class Secret:
    """A credential that does not show itself: not in repr, text, format, copies to other processes or JSON."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself, for the one header that it belongs in."""
        return self._value

    def scrub(self, text: str) -> str:
        """A provider's words without the credential, should they repeat it."""
        return text.replace(self._value, _HIDDEN) if self._value else text

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret stays in the process that read it")


class Order:
    """Leave to send one job to one backend, with what the provider wants to be shown for it."""

    __slots__ = ("approval", "backend", "bearer", "job")

    def __init__(self, made_by: object, job: str, backend: str, approval: str, bearer: Secret | None) -> None:
        if made_by is not _OURS:
            raise TypeError("an order is made by Credentials.for_order from what the gate handed out")
        self.job, self.backend, self.approval, self.bearer = job, backend, approval, bearer

    def __repr__(self) -> str:
        return f"<order of job {self.job} at {self.backend}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an order stays in the process that read its credential")

    def must_be_for(self, job: str) -> None:
        """Raises GateLocked where somebody sends another job than the one that was let through."""
        if self.job != job:
            raise GateLocked(f"the gate let job {self.job} through, not {job}", "reserve a ticket for it")


class Credentials:
    """Where one production's credentials are: the environment, or a file outside of it (`NAME=value` a line).

    The file is the one that FILM_CREDENTIALS names. The environment goes before the file. Nothing is read before it is
    asked for, and nothing that was read is kept.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        production: Production,
        root: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._environment, self._production, self._root, self._now = environment, production, root, now
        self._used: set[str] = set()

    def __repr__(self) -> str:
        return f"<credentials of {self._production.name}>"

    def for_order(self, admission: Admission, backend: str, variable: str, needed: bool = True) -> Order:
        """The leave to send the admitted job, once. The credential is read only after the admission held.

        variable: the name of the credential. Raises GateLocked for an admission that no approver of production.yaml
        stands behind, and FilmProblem where the credential is needed and not there.
        """
        self._stands(admission, backend)
        value = self._read(variable)
        if value is None and needed:
            raise self._missing((variable,))
        job = admission.ticket.job
        return Order(_OURS, job, backend, admission.approval.id, Secret(value) if value else None)

    def for_watching(self, variables: Iterable[str], needed: bool = True) -> Secret | None:
        """What lets jobs be asked about and ended: the first of these credentials that is there."""
        names = tuple(variables)
        for name in names:
            value = self._read(name)
            if value:
                return Secret(value)
        if needed:
            raise self._missing(names)
        return None

    def pod_token(self, pod_name: str) -> Secret:
        """The bearer token of a pod's guard, drawn from the watching key and the pod's name, so it is never stored."""
        key = self.for_watching((RUNPOD_WATCH, RUNPOD_ORDER))
        assert key is not None
        drawn = hmac.new(key.reveal().encode(), f"film-pipeline pod 1|{pod_name}".encode(), hashlib.sha256)
        return Secret(drawn.hexdigest())

    def has(self, variable: str) -> bool:
        """Whether a credential is there at all."""
        return bool(self._read(variable))

    def _stands(self, admission: Admission, backend: str) -> None:
        if not isinstance(admission, Admission):
            raise GateLocked("a credential for ordering is read only against an admission", "go through the gate")
        ticket, approval = admission.ticket, admission.approval
        # Which ledger it is for was asked by the gate, whose ledger it is; the rest is asked once more here.
        production = self._production
        reasons = why_not(approval, production.name, approval.ledger, production.approvers, self._now())
        if ticket.approval != approval.id:
            reasons.append(f"the ticket was reserved under the approval {ticket.approval}")
        if ticket.shot != approval.shot or ticket.work != approval.work:
            reasons.append(f"the approval is for a {approval.work} of {approval.shot}")
        if ticket.backend != backend or backend not in approval.backends:
            reasons.append(f"{backend} is not what was signed")
        if ticket.job in self._used:
            reasons.append(f"job {ticket.job} has been sent already")
        if reasons:
            raise GateLocked("; ".join(reasons), "have the shot approved", shot=ticket.shot)
        self._used.add(ticket.job)

    def _read(self, variable: str) -> str | None:
        value = self._environment.get(variable, "").strip()
        return value or self._from_file(variable)

    def _from_file(self, variable: str) -> str | None:
        named = self._environment.get(FILE_VARIABLE, "")
        if not named:
            return None
        path = Path(named).expanduser()
        self._is_safe(path)
        for line in path.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.strip().removeprefix("export ").partition("=")
            if separator and name.strip() == variable:
                return value.strip().strip("'\"") or None
        return None

    def _is_safe(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise FilmProblem(
                "the credentials file can't be read", f"write it, or unset {FILE_VARIABLE}", path
            ) from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise FilmProblem("others may read the credentials file", f"chmod 600 {path}", path)
        real = path.resolve()
        if real.is_relative_to(self._root.resolve()):
            raise FilmProblem(
                "the credentials file lies in the production", "move it out: productions are shared", path
            )
        if any((folder / ".git").exists() for folder in real.parents):
            raise FilmProblem("the credentials file lies in a repository", "move it out, before it is committed", path)

    def _missing(self, names: tuple[str, ...]) -> FilmProblem:
        return FilmProblem(
            f"the credential {' or '.join(names)} is not set",
            f"export it, or write it into the file that {FILE_VARIABLE} names, outside the production",
        )


def scrubbed(text: str, *secrets: Secret | None) -> str:
    """A provider's words without any of these credentials."""
    for secret in secrets:
        text = secret.scrub(text) if secret is not None else text
    return text


def bearer_headers(secret: Secret | None) -> dict[str, Any]:
    """The one place where a credential becomes text."""
    return {"Authorization": f"Bearer {secret.reveal()}"} if secret is not None else {}
