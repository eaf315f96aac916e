"""The generating backends of a production, as production.yaml describes them."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.local_klein import DEFAULT_URL, LocalKlein
from film_pipeline.backends.pod_client import DEFAULT_REST
from film_pipeline.backends.pod_fleet import Surroundings
from film_pipeline.backends.pod_start import DEFAULT_PROXY
from film_pipeline.backends.runpod_pods import RunpodPods
from film_pipeline.backends.serverless import DEFAULT_URL as DEFAULT_ENDPOINTS
from film_pipeline.backends.serverless import Serverless
from film_pipeline.core.generating import GeneratingBackend
from film_pipeline.core.generators import BackendPlan, LocalKleinPlan, PodsPlan
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production

REST_VARIABLE = "RUNPOD_REST_URL"
ENDPOINTS_VARIABLE = "RUNPOD_ENDPOINT_BASE_URL"
PROXY_VARIABLE = "RUNPOD_PROXY_URL"
"""Where RunPod is, for stand-ins. The proxy's address names {pod} and {port}."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def backends_of(
    production: Production,
    root: Path,
    environment: Mapping[str, str],
    credentials: Credentials | None = None,
    poll_s: float = 1.0,
) -> dict[str, GeneratingBackend]:
    """The backends that frames may be generated on, by name, the preferred one first; the free renderers are not here.

    root: the production's folder. environment: where addresses and, when they are needed, credentials are. Nothing is
    connected and no credential is read by this. Raises FilmProblem for an address that would give a key away.
    """
    keys = credentials or Credentials(environment, production, root)
    return {
        name: _backend(name, production.generation[name], production, root, environment, keys, poll_s)
        for name in production.backends
        if name in production.generation
    }


def _backend(
    name: str,
    plan: BackendPlan,
    production: Production,
    root: Path,
    environment: Mapping[str, str],
    credentials: Credentials,
    poll_s: float,
) -> GeneratingBackend:
    if isinstance(plan, LocalKleinPlan):
        url = _address(environment, plan.url_env, DEFAULT_URL)
        return LocalKlein(name, plan, credentials, url, poll_s)
    if isinstance(plan, PodsPlan):
        around = Surroundings(
            _safe(_address(environment, REST_VARIABLE, DEFAULT_REST), REST_VARIABLE),
            _safe(_address(environment, PROXY_VARIABLE, DEFAULT_PROXY), PROXY_VARIABLE),
            poll_s,
        )
        return RunpodPods(name, plan, production.name, credentials, around)
    url = _safe(_address(environment, ENDPOINTS_VARIABLE, DEFAULT_ENDPOINTS), ENDPOINTS_VARIABLE)
    return Serverless(name, plan, credentials, root / ".film" / "incoming" / name, url, poll_s)


def _address(environment: Mapping[str, str], variable: str, otherwise: str) -> str:
    url = environment.get(variable, "").strip().rstrip("/") or otherwise
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise FilmProblem(f"{variable} is {url!r}, which is no address", "write it as http://127.0.0.1:8188")
    return url


def _safe(url: str, variable: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise FilmProblem(f"{variable} would send the key unencrypted to {parts.netloc}", "write it as https://...")
    return url
