"""RunPod's own SDK, for what it serves: an endpoint's health, and cancelling a job.

It is imported when it is first needed, because that takes seconds. Why nothing else of it is used stands in
docs/decisions/0008-render-backends.md.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import requests

from film_pipeline.backends.credentials import Secret, scrubbed
from film_pipeline.core.problems import FilmProblem

_PATIENCE_S = 10


class Endpoint:
    """An endpoint, for watching only. secret: the watching credential, asked for each time."""

    def __init__(self, endpoint: str, secret: Callable[[], Secret | None], url: str) -> None:
        self._endpoint, self._secret, self._url = endpoint, secret, url.rstrip("/")

    async def health(self) -> dict[str, Any]:
        """Counts of jobs and workers. Raises FilmProblem where the endpoint is away."""
        told = await self._asked(lambda endpoint: endpoint.health(timeout=_PATIENCE_S))
        if not isinstance(told, dict):
            raise FilmProblem(f"endpoint {self._endpoint} answers oddly", "see RunPod's console")
        return told

    async def cancel(self, job: str) -> bool:
        """Whether RunPod has cancelled this one job. Raises FilmProblem where it does not say."""

        def cancelled(endpoint: Any) -> Any:
            from runpod.endpoint import Job

            return Job(self._endpoint, job, endpoint.rp_client).cancel(timeout=_PATIENCE_S)

        told = await self._asked(cancelled)
        return isinstance(told, dict) and told.get("status") == "CANCELLED"

    async def _asked(self, ask: Callable[[Any], Any]) -> Any:
        secret = self._secret()
        try:
            return await asyncio.to_thread(self._ask, ask, secret)
        except (requests.RequestException, RuntimeError, ValueError) as error:
            said = scrubbed(str(error), secret)
            raise FilmProblem(f"endpoint {self._endpoint} does not answer: {said}", "see RunPod's console") from None

    def _ask(self, ask: Callable[[Any], Any], secret: Secret | None) -> Any:
        import runpod

        endpoint = runpod.Endpoint(self._endpoint, api_key=secret.reveal() if secret is not None else "")
        # The SDK reads its address when it is imported; ours may be a stand-in's.
        endpoint.rp_client.endpoint_url_base = self._url
        with closing(endpoint.rp_client.rp_session):
            return ask(endpoint)
