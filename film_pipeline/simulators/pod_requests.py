"""What RunPod's REST v2 accepts for a pod, and how it refuses: RFC 9457, unknown fields by name."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

Check = Callable[[Any], str]
"""What is wrong with a value; empty where nothing is."""
CLOUDS = ("SECURE", "COMMUNITY")
ACTIONS = ("start", "stop", "restart", "terminate")
_CUDA = re.compile(r"^\d+\.\d+$")


class Refused(Exception):
    """A request that is refused."""

    def __init__(self, status: int, detail: str, errors: list[str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors

    def answer(self) -> Response:
        return problem(self.status, self.detail, self.errors)


def problem(
    status: int, detail: str, errors: list[str] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """An RFC 9457 answer: title, status, detail, and errors where fields were wrong."""
    told: dict[str, Any] = {"title": _title(status), "status": status, "detail": detail}
    if errors:
        told["errors"] = errors
    return JSONResponse(told, status, dict(headers or {}), media_type="application/problem+json")


def _title(status: int) -> str:
    try:
        return "Unprocessable Entity" if status == 422 else HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "expected a string"


def _some_text(value: Any) -> str:
    return "" if isinstance(value, str) and value else "expected a string of at least 1 character"


def _text_or_nothing(value: Any) -> str:
    return "" if value is None or isinstance(value, str) else "expected a string or null"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "expected a boolean"


def _from(least: int) -> Check:
    def check(value: Any) -> str:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if whole and value >= least else f"expected an integer of at least {least}"

    return check


def _one_of(*options: str) -> Check:
    return lambda value: "" if value in options else f"expected one of {', '.join(options)}"


def _texts(value: Any) -> str:
    good = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    return "" if good else "expected an array of strings"


def _environment(value: Any) -> str:
    good = isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values())
    return "" if good else "expected an object of strings"


def _versions(value: Any) -> str:
    good = isinstance(value, list) and all(isinstance(entry, str) and _CUDA.match(entry) for entry in value)
    return "" if good else "expected an array of major.minor"


def _version(value: Any) -> str:
    return "" if isinstance(value, str) and _CUDA.match(value) else "expected major.minor"


def _anything(value: Any) -> str:
    return ""


_CREATE: Mapping[str, Check] = {
    "name": _some_text,
    "image": _text,
    "args": _text,
    "disk": _from(1),
    "env": _environment,
    "ports": _texts,
    "registry": _text_or_nothing,
    "cloud": _one_of(*CLOUDS),
    "cpu": _anything,
    "gpu": _anything,
    "dataCenterIds": _texts,
    "globalNetworking": _flag,
    "mounts": _anything,
    "startJupyter": _flag,
    "startSsh": _flag,
    "templateId": _some_text,
}
_UPDATE: Mapping[str, Check] = {
    name: _CREATE[name]
    for name in (
        "name",
        "image",
        "args",
        "disk",
        "env",
        "ports",
        "registry",
        "globalNetworking",
        "mounts",
        "templateId",
    )
} | {"locked": _flag}
_GPU: Mapping[str, Check] = {
    "id": _text,
    "count": _from(1),
    "allowedCudaVersions": _versions,
    "minCudaVersion": _version,
    "minRamPerGpu": _from(1),
    "minVcpuCountPerGpu": _from(1),
}
_PERSISTENT: Mapping[str, Check] = {"size": _from(10), "path": _text}
_NETWORK: Mapping[str, Check] = {"volumeId": _text, "path": _text}


def check_create(body: Any) -> dict[str, Any]:
    """A request for a new pod. Raises Refused: 422 for its form, 400 for rules that its form can't say."""
    errors = _errors("$", body, _CREATE, ("name",) if "templateId" in _object(body) else ("name", "image"))
    if "gpu" in body:
        errors += _errors("$.gpu", body["gpu"], _GPU, ("id",))
    errors += _mount_errors(body.get("mounts", {}))
    _refuse_if(errors)
    if ("gpu" in body) == ("cpu" in body):
        raise Refused(400, "exactly one of gpu or cpu must be set")
    if "cpu" in body:
        raise Refused(400, "CPU pods are not simulated here")
    if body["gpu"].get("allowedCudaVersions") and "minCudaVersion" in body["gpu"]:
        raise Refused(400, "gpu.allowedCudaVersions and gpu.minCudaVersion are mutually exclusive")
    _check_mounts(body.get("mounts", {}))
    return dict(body)


def check_update(body: Any) -> dict[str, Any]:
    """Raises Refused."""
    errors = _errors("$", body, _UPDATE, ()) + _mount_errors(_object(body).get("mounts", {}))
    _refuse_if(errors)
    _check_mounts(body.get("mounts", {}))
    return dict(body)


def check_action(body: Any) -> str:
    """Raises Refused."""
    _refuse_if(_errors("$", body, {"action": _one_of(*ACTIONS)}, ("action",)))
    return str(body["action"])


def _refuse_if(errors: list[str]) -> None:
    if errors:
        raise Refused(422, "Request validation failed.", errors)


def _object(body: Any) -> dict[str, Any]:
    return body if isinstance(body, dict) else {}


def _errors(path: str, value: Any, known: Mapping[str, Check], needed: tuple[str, ...]) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: expected an object"]
    missing = [f"{path}: missing property '{name}'" for name in needed if name not in value]
    unknown = [f"{path}: additional properties '{name}' not allowed" for name in value if name not in known]
    wrong = [
        f"{path}.{name}: {said}" for name, check in known.items() if name in value and (said := check(value[name]))
    ]
    return missing + unknown + wrong


def _mount_errors(mounts: Any) -> list[str]:
    errors = _errors("$.mounts", mounts, {"persistent": _anything, "network": _anything}, ())
    if errors:
        return errors
    if "persistent" in mounts:
        errors += _errors("$.mounts.persistent", mounts["persistent"], _PERSISTENT, ("size", "path"))
    network = mounts.get("network", [])
    if not isinstance(network, list) or len(network) > 1:
        return [*errors, "$.mounts.network: expected an array of at most 1 item"]
    for number, mount in enumerate(network):
        errors += _errors(f"$.mounts.network[{number}]", mount, _NETWORK, ("volumeId", "path"))
    return errors


def _check_mounts(mounts: Mapping[str, Any]) -> None:
    if "persistent" in mounts and mounts.get("network"):
        raise Refused(400, "mounts.persistent and mounts.network are mutually exclusive")
    if "network" in mounts and not mounts["network"]:
        raise Refused(400, "mounts.network must not be empty")


class GpuType:
    """One GPU type of the catalog. Prices in dollars an hour."""

    def __init__(self, gpu_id: str, name: str, memory_gb: int, secure: str, community: str | None, pool: str) -> None:
        self.id, self.name, self.memory_gb, self.pool = gpu_id, name, memory_gb, pool
        self.prices = {"SECURE": Decimal(secure), "COMMUNITY": Decimal(community) if community else None}

    def price(self, cloud: str) -> Decimal | None:
        """None where it is not offered in that cloud."""
        return self.prices[cloud]

    def document(self) -> dict[str, Any]:
        """As the catalog tells it. Where there is no price it writes 0."""
        secure, community = self.prices["SECURE"], self.prices["COMMUNITY"]
        return {
            "id": self.id,
            "name": self.name,
            "pool": self.pool,
            "manufacturer": "NVIDIA",
            "memory": self.memory_gb,
            "secure": secure is not None,
            "community": community is not None,
            "price": {"secure": float(secure or 0), "community": float(community or 0)},
            "maxCount": {"secure": 8, "community": 4 if community else 0},
        }


CATALOG: Mapping[str, GpuType] = {
    gpu.id: gpu
    for gpu in (
        GpuType("NVIDIA RTX A5000", "RTX A5000", 24, "0.27", "0.16", "AMPERE_24"),
        GpuType("NVIDIA L4", "L4", 24, "0.39", None, "AMPERE_24"),
        GpuType("NVIDIA GeForce RTX 4090", "RTX 4090", 24, "0.69", "0.34", "ADA_24"),
        GpuType("NVIDIA RTX A6000", "RTX A6000", 48, "0.49", "0.33", "AMPERE_48"),
        GpuType("NVIDIA L40S", "L40S", 48, "0.86", "0.79", "ADA_48_PRO"),
        GpuType("NVIDIA A100 80GB PCIe", "A100 PCIe", 80, "1.64", "1.19", "AMPERE_80"),
        GpuType("NVIDIA H100 PCIe", "H100 PCIe", 80, "2.39", "1.99", "ADA_80_PRO"),
    )
}
"""Play prices, near what was asked in 2026."""
DATA_CENTERS = ("EU-RO-1", "US-KS-2")
