"""The free backend: final frames by Cycles, from the same stage as the plate."""

from decimal import Decimal
from typing import Any

from film_pipeline.core.generation import FrameOrder, Landed, Quote
from film_pipeline.core.ports import SceneEngine, ShootSettings


class CyclesBackend:
    """Renders by a scene engine on this machine. It costs nothing but time."""

    name = "cycles"
    provider = "local"
    licence = "own work, rendered by Blender Cycles"
    paid = False

    def __init__(self, engine: SceneEngine) -> None:
        self._engine = engine

    def software(self) -> str:
        return self._engine.version()

    def settings(self, order_size: tuple[int, int], samples: int, bounces: int) -> dict[str, Any]:
        """The engine by name, not by version: a patch release of Blender does not make a film out of date.

        The version that really rendered stands in each frame's record.
        """
        return {
            "backend": self.name,
            "engine": self._engine.name,
            "size": list(order_size),
            "samples": samples,
            "bounces": bounces,
            "denoiser": "oidn",
        }

    def quote(self, frames: int) -> Quote:
        return Quote(self.name, frames, Decimal("0"), "rendered on this machine")

    def generate(self, order: FrameOrder, landed: Landed) -> None:
        self._engine.shoot(
            order.stage_file,
            dict(order.frames),
            ShootSettings(
                width=order.width,
                height=order.height,
                samples=order.samples,
                bounces=order.bounces,
                denoise=True,
                seed=order.seed,
                passes=False,
            ),
            landed,
        )
