"""A tiny ComfyUI for these tests, as far as the client needs one: same routes, same shapes, and faults on demand."""

import asyncio
import io
import json
import struct
import uuid
from typing import Any

from aiohttp import WSMsgType, web
from PIL import Image


def _node(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"input": {"required": required, "optional": optional or {}}}


def klein_nodes(models: list[str], encoders: list[str], vaes: list[str], loras: list[str]) -> dict[str, Any]:
    """`/object_info` of a server that has these files; both ways of writing a choice are there."""
    size = ["INT", {"min": 16, "max": 16384}]
    return {
        "UNETLoader": _node({"unet_name": [models, {}], "weight_dtype": [["default", "fp8_e4m3fn"], {}]}),
        "LoraLoaderModelOnly": _node(
            {"model": ["MODEL"], "lora_name": [loras, {}], "strength_model": ["FLOAT", {"min": -100, "max": 100}]}
        ),
        "CLIPLoader": _node(
            {"clip_name": ["COMBO", {"options": encoders}], "type": [["stable_diffusion", "flux2"], {}]},
            {"device": [["default", "cpu"], {}]},
        ),
        "VAELoader": _node({"vae_name": [vaes, {}]}),
        "CLIPTextEncode": _node({"text": ["STRING", {"multiline": True}], "clip": ["CLIP"]}),
        "ConditioningZeroOut": _node({"conditioning": ["CONDITIONING"]}),
        "LoadImage": _node({"image": [["example.png"], {"image_upload": True}]}),
        "ImageScaleToTotalPixels": _node(
            {
                "image": ["IMAGE"],
                "upscale_method": [["nearest-exact", "lanczos"], {}],
                "megapixels": ["FLOAT", {"min": 0.01, "max": 16.0}],
                "resolution_steps": ["INT", {"min": 1, "max": 256}],
            }
        ),
        "VAEEncode": _node({"pixels": ["IMAGE"], "vae": ["VAE"]}),
        "ReferenceLatent": _node({"conditioning": ["CONDITIONING"]}, {"latent": ["LATENT"]}),
        "EmptyFlux2LatentImage": _node({"width": size, "height": size, "batch_size": ["INT", {"min": 1, "max": 4096}]}),
        "Flux2Scheduler": _node({"steps": ["INT", {"min": 1, "max": 4096}], "width": size, "height": size}),
        "KSamplerSelect": _node({"sampler_name": ["COMBO", {"options": ["euler", "heun"]}]}),
        "RandomNoise": _node({"noise_seed": ["INT", {"min": 0, "max": 2**64 - 1}]}),
        "CFGGuider": _node(
            {
                "model": ["MODEL"],
                "positive": ["CONDITIONING"],
                "negative": ["CONDITIONING"],
                "cfg": ["FLOAT", {"min": 0}],
            }
        ),
        "SamplerCustomAdvanced": _node(
            {name: [name.upper()] for name in ("noise", "guider", "sampler", "sigmas", "latent_image")}
        ),
        "VAEDecode": _node({"samples": ["LATENT"], "vae": ["VAE"]}),
        "SaveImage": _node({"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}),
    }


def a_png(size: tuple[int, int] = (64, 48), shade: int = 90) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(held, "PNG")
    return held.getvalue()


class ComfyStandIn:
    """faults: route -> what to do with its next requests, in order: `drop` before taking it, `drop after`, a status,
    `cut` for an answer that breaks off. requests: everything that was asked, (method, path, JSON or None)."""

    def __init__(self, token: str = "", device: str = "cuda", **nodes: Any) -> None:
        self.token, self.device = token, device
        self.nodes = nodes.get("nodes") or klein_nodes(
            ["flux-2-klein-4b.safetensors"], ["qwen_3_4b.safetensors"], ["flux2-vae.safetensors"], ["ink.safetensors"]
        )
        self.pending: list[list[Any]] = []
        self.running: list[list[Any]] = []
        self.history: dict[str, Any] = {}
        self.cancelled: set[str] = set()
        self.inputs: dict[str, bytes] = {}
        self.outputs: dict[str, bytes] = {}
        self.faults: dict[str, list[Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.posted: list[str] = []
        self.uploads: list[str] = []
        self.interrupts: list[Any] = []
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.authorizations: list[str] = []
        self.has_jobs_api = True
        self.gives_own_ids = False
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._count = 0
        self.port = 0

    async def __aenter__(self) -> "ComfyStandIn":
        app = web.Application(middlewares=[self._middleware], client_max_size=2**27)
        app.router.add_get("/system_stats", self._stats)
        app.router.add_get("/object_info/{name}", self._info)
        app.router.add_get("/queue", self._get_queue)
        app.router.add_post("/queue", self._post_queue)
        app.router.add_get("/history", self._all_history)
        app.router.add_get("/history/{id}", self._get_history)
        app.router.add_get("/api/jobs/{id}", self._job)
        app.router.add_post("/api/jobs/{id}/cancel", self._cancel)
        app.router.add_post("/interrupt", self._interrupt)
        app.router.add_post("/prompt", self._prompt)
        app.router.add_post("/upload/image", self._upload)
        app.router.add_get("/view", self._view)
        app.router.add_get("/ws", self._socket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in list(self.sockets.values()):
            await socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.authorizations.append(request.headers.get("Authorization", ""))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "unauthorized"}, status=401)
        route = f"{request.method} {request.path}"
        fault = next((self.faults[name].pop(0) for name in self.faults if self.faults[name] and name in route), None)
        if fault == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(fault, int):
            return web.Response(status=fault, text="trouble", headers={"Retry-After": "3"})
        answer = await handler(request)
        if fault == "drop after":
            assert request.transport is not None
            request.transport.close()
        if isinstance(fault, str) and fault.startswith("after "):
            return web.Response(status=int(fault.removeprefix("after ")), text="gateway trouble")
        if fault == "cut":
            return web.Response(text=(answer.text or "")[:12], content_type="application/json")
        if fault == "short":
            body = answer.body
            assert isinstance(body, bytes) and request.transport is not None
            request.transport.write(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2]
            )
            request.transport.close()
        return answer

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.33.0"}, "devices": [{"type": self.device}]})

    async def _info(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response({name: self.nodes[name]} if name in self.nodes else {})

    async def _get_queue(self, _: web.Request) -> web.Response:
        return web.json_response({"queue_running": self.running, "queue_pending": self.pending})

    async def _post_queue(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(("POST", "/queue", body))
        self.pending = [entry for entry in self.pending if entry[1] not in body.get("delete", [])]
        return web.Response()

    async def _all_history(self, _: web.Request) -> web.Response:
        return web.json_response(self.history)

    async def _get_history(self, request: web.Request) -> web.Response:
        job = request.match_info["id"]
        return web.json_response({job: self.history[job]} if job in self.history else {})

    async def _job(self, request: web.Request) -> web.Response:
        job = request.match_info["id"]
        for entries, status in ((self.running, "in_progress"), (self.pending, "pending")):
            if any(entry[1] == job for entry in entries):
                return web.json_response({"id": job, "status": status})
        if job in self.history:
            return web.json_response({"id": job, "status": "completed"})
        return web.json_response({"error": "Job not found"}, status=404)

    async def _cancel(self, request: web.Request) -> web.Response:
        job = request.match_info["id"]
        if not self.has_jobs_api:
            return web.Response(status=404, text="404: Not Found")
        there = [entry for entry in [*self.pending, *self.running] if entry[1] == job]
        self.pending = [entry for entry in self.pending if entry[1] != job]
        if any(entry[1] == job for entry in self.running):
            await self.interrupt(job)
        return web.json_response({"cancelled": bool(there)})

    async def _interrupt(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.interrupts.append(body)
        await self.interrupt((body or {}).get("prompt_id", ""))
        return web.Response()

    async def _prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(("POST", "/prompt", body))
        job = str(uuid.uuid4()) if self.gives_own_ids else body["prompt_id"]
        missing = [
            node
            for node, part in body["prompt"].items()
            if part["class_type"] == "LoadImage" and part["inputs"]["image"] not in self.inputs
        ]
        if missing:
            details = f"image - Invalid image file: {body['prompt'][missing[0]]['inputs']['image']}"
            error = {"type": "custom_validation_failed", "message": "Custom validation failed", "details": details}
            return web.json_response(
                {
                    "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt failed", "details": ""},
                    "node_errors": {missing[0]: {"errors": [error], "class_type": "LoadImage"}},
                },
                status=400,
            )
        self._count += 1
        self.posted.append(job)
        self.pending.append(
            [self._count, job, body["prompt"], {**body["extra_data"], "client_id": body["client_id"]}, []]
        )
        return web.json_response({"prompt_id": job, "number": self._count, "node_errors": {}})

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image = form["image"]
        assert isinstance(image, web.FileField)
        name, content = image.filename, image.file.read()
        self.uploads.append(name)
        if self.inputs.get(name, content) != content:
            stem, _, suffix = name.rpartition(".")
            name = f"{stem} (1).{suffix}"
        self.inputs[name] = content
        return web.json_response({"name": name, "subfolder": "", "type": "input"})

    async def _view(self, request: web.Request) -> web.Response:
        held = self.inputs if request.query["type"] == "input" else self.outputs
        content = held.get(request.query["filename"])
        return web.Response(status=404) if content is None else web.Response(body=content, content_type="image/png")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.query["clientId"]] = socket
        await socket.send_json({"type": "status", "data": {"status": {}, "sid": request.query["clientId"]}})
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        return socket

    async def tell(self, kind: str, **data: Any) -> None:
        for socket in list(self.sockets.values()):
            if not socket.closed:
                await socket.send_str(json.dumps({"type": kind, "data": data}))

    async def show(self, picture: bytes) -> None:
        for socket in list(self.sockets.values()):
            await socket.send_bytes(struct.pack(">II", 1, 1) + picture)

    # What happens to jobs

    async def begin(self, job: str) -> None:
        entry = next(entry for entry in self.pending if entry[1] == job)
        self.pending.remove(entry)
        self.running.append(entry)
        await self.tell("execution_start", prompt_id=job)

    async def finish(self, job: str, picture: bytes = b"", pictures: bool = True) -> None:
        """In ComfyUI's order: success is told, then history is written, then `executing` without a node is told."""
        if any(entry[1] == job for entry in self.pending):
            await self.begin(job)
        await self.tell("execution_success", prompt_id=job)
        await asyncio.sleep(0.02)
        name = f"film_{len(self.outputs):05d}_.png"
        self.outputs[name] = picture or a_png()
        images = [{"filename": name, "subfolder": "film", "type": "output"}] if pictures else []
        started = 1_700_000_000_000
        self._into_history(
            job,
            {"9": {"images": images}},
            "success",
            [["execution_start", {"timestamp": started}], ["execution_success", {"timestamp": started + 2500}]],
        )
        await self.tell("executing", node=None, prompt_id=job)

    async def fail(self, job: str, node: str, message: str) -> None:
        if any(entry[1] == job for entry in self.pending):
            await self.begin(job)
        said = {
            "prompt_id": job,
            "node_id": node,
            "node_type": "VAEDecode",
            "exception_type": "RuntimeError",
            "exception_message": message,
        }
        await self.tell("execution_error", **said)
        await asyncio.sleep(0.02)
        self._into_history(job, {}, "error", [["execution_start", {"timestamp": 1}], ["execution_error", said]])
        await self.tell("executing", node=None, prompt_id=job)

    async def interrupt(self, job: str) -> None:
        if any(entry[1] == job for entry in self.running):
            self._into_history(job, {}, "error", [["execution_interrupted", {"prompt_id": job}]])
            await self.tell("execution_interrupted", prompt_id=job)

    def _into_history(self, job: str, outputs: Any, status: str, messages: list[Any]) -> None:
        entry = next(entry for entry in self.running if entry[1] == job)
        self.running.remove(entry)
        self.history[job] = {
            "prompt": entry,
            "outputs": outputs,
            "status": {"status_str": status, "completed": status == "success", "messages": messages},
            "meta": {},
        }

    def restart(self) -> None:
        """As after kill -9: queue, history and jobs are empty, files stay."""
        self.pending, self.running, self.history = [], [], {}
