"""The simulated ComfyUI's files and what it tells of itself: pictures in and out, nodes, models, hardware."""

import mimetypes
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from film_pipeline.simulators.comfyui_engine import Engine
from film_pipeline.simulators.comfyui_nodes import INPUT_FOLDER, NODES
from film_pipeline.simulators.comfyui_sockets import FEATURES

VERSION = "0.33.0"
_MOST_UPLOADED_BYTES = 104857600
Handler = Callable[[Request], Awaitable[Response]]


class Shelf:
    """The routes that need no queue. device: cuda, mps or cpu."""

    def __init__(self, engine: Engine, device: str) -> None:
        self._engine, self._device = engine, device

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each."""
        return [
            ("GET", "/view", self._view),
            ("POST", "/upload/image", self._upload),
            ("GET", "/object_info", self._object_info),
            ("GET", "/object_info/{node_class}", self._object_info_of),
            ("GET", "/system_stats", self._system_stats),
            ("GET", "/features", self._features),
            ("GET", "/models", self._model_folders),
            ("GET", "/models/{folder}", self._model_files),
        ]

    async def _view(self, request: Request) -> Response:
        name = request.query_params.get("filename", "")
        folder = self._folder(request.query_params.get("type", "output"))
        if "filename" not in request.query_params:
            return Response(status_code=404)
        if not name or name.startswith("/") or ".." in name or folder is None:
            return Response(status_code=400)
        place = (folder / request.query_params.get("subfolder", "")).resolve()
        if not place.is_relative_to(folder.resolve()):
            return Response(status_code=403)
        file = place / Path(name).name
        if not file.is_file():
            return Response(status_code=404)
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(file, media_type=kind, headers={"Content-Disposition": f'filename="{file.name}"'})

    def _folder(self, kind: str) -> Path | None:
        desk = self._engine.desk
        return {"input": desk.input_folder, "output": desk.output_folder, "temp": desk.temp_folder}.get(kind)

    async def _upload(self, request: Request) -> Response:
        if int(request.headers.get("content-length", "0")) > _MOST_UPLOADED_BYTES:
            return PlainTextResponse("Maximum request body size 104857600 exceeded", 413)
        async with request.form(max_part_size=_MOST_UPLOADED_BYTES) as form:
            upload = form.get("image")
            kind = form.get("type") or INPUT_FOLDER
            folder = self._folder(str(kind))
            if not isinstance(upload, UploadFile) or not upload.filename or folder is None:
                return Response(status_code=400)
            subfolder = str(form.get("subfolder") or "")
            place = (folder / subfolder).resolve()
            file = (place / upload.filename).resolve()
            if not file.is_relative_to(folder.resolve()):
                return Response(status_code=400)
            place.mkdir(parents=True, exist_ok=True)
            file = _placed(file, await upload.read(), form.get("overwrite") in ("true", "1"))
        return JSONResponse({"name": file.name, "subfolder": subfolder, "type": kind})

    async def _object_info(self, request: Request) -> Response:
        return JSONResponse({name: node.info(self._engine) for name, node in NODES.items()})

    async def _object_info_of(self, request: Request) -> Response:
        node = NODES.get(request.path_params["node_class"])
        return JSONResponse({} if node is None else {node.name: node.info(self._engine)})

    async def _system_stats(self, request: Request) -> Response:
        gigabyte = 2**30
        device = {
            "name": f"{self._device}:0 SIMULATED",
            "type": self._device,
            "index": 0,
            "vram_total": 24 * gigabyte,
            "vram_free": 20 * gigabyte,
            "torch_vram_total": 24 * gigabyte,
            "torch_vram_free": 20 * gigabyte,
        }
        system = {
            "os": sys.platform,
            "ram_total": 64 * gigabyte,
            "ram_free": 48 * gigabyte,
            "comfyui_version": VERSION,
            "python_version": sys.version,
            "pytorch_version": "2.9.0 SIMULATED",
            "embedded_python": False,
            "argv": ["main.py"],
        }
        return JSONResponse({"system": system, "devices": [device]})

    async def _features(self, request: Request) -> Response:
        return JSONResponse(FEATURES)

    async def _model_folders(self, request: Request) -> Response:
        return JSONResponse(sorted(self._engine.models))

    async def _model_files(self, request: Request) -> Response:
        folder = request.path_params["folder"]
        return JSONResponse(self._engine.listed(folder)) if folder in self._engine.models else Response(status_code=404)


def _placed(file: Path, data: bytes, overwrite: bool) -> Path:
    """Where the upload ended up: the same name with other content is counted up, unless it may be overwritten."""
    wanted, number = file, 1
    while not overwrite and file.exists():
        if file.read_bytes() == data:
            return file
        file = wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}")
        number += 1
    file.write_bytes(data)
    return file
