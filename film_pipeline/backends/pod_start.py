"""What a pod is started with: our guard before ComfyUI, and the port that only the guard opens."""

import base64
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from film_pipeline.backends.credentials import Secret
from film_pipeline.core.generators import PodsPlan

GUARD_PORT, COMFYUI_PORT = 8188, 8190
DEFAULT_PROXY = "https://{pod}-{port}.proxy.runpod.net"
_RUN = "import base64,os,zlib;exec(zlib.decompress(base64.b64decode(os.environ['FILM_GUARD'])))"
START_COMMAND = f'python3 -c "{_RUN}" --port {GUARD_PORT} --comfyui-port {COMFYUI_PORT}'


@lru_cache(maxsize=1)
def guard_text() -> str:
    """The guard as it goes into a pod's environment: packed, so that images need nothing of ours."""
    source = Path(__file__).with_name("pod_guard.py").read_bytes()
    return base64.b64encode(zlib.compress(source, 9)).decode()


def create_body(plan: PodsPlan, name: str, gpu: str, token: Secret, rest_url: str) -> dict[str, Any]:
    """The request that starts a pod. The token stands in the pod's environment, which the account's owner can read."""
    body: dict[str, Any] = {
        "name": name,
        "image": plan.image,
        "gpu": {"id": gpu, "count": 1},
        "cloud": plan.cloud,
        "disk": plan.disk_gb,
        "ports": [f"{GUARD_PORT}/http"],
        "args": START_COMMAND,
        "env": {
            "FILM_GUARD": guard_text(),
            "FILM_POD_TOKEN": token.reveal(),
            "FILM_POD_START": plan.start,
            "FILM_POD_SILENT_S": str(plan.silent_s),
            "FILM_RUNPOD_REST": rest_url,
            "FILM_MODEL": plan.model,
        },
    }
    if plan.volume is not None:
        body["mounts"] = {"network": [{"volumeId": plan.volume.id, "path": plan.volume.path}]}
    if plan.data_centers:
        body["dataCenterIds"] = list(plan.data_centers)
    if plan.registry:
        body["registry"] = plan.registry
    return body


def pod_url(template: str, pod_id: str) -> str:
    """Where a pod's guard answers."""
    return template.format(pod=pod_id, port=GUARD_PORT)
