"""Requests to one address, at moments that other tests do not meet."""

import asyncio

from film_pipeline import simulators
from film_pipeline.backends.wire import Wire


def test_who_asks_while_the_connections_are_closed_is_answered() -> None:
    """A machine is let go by one task while another one asks it after an order."""

    async def asks() -> int:
        wire = Wire(server.url)
        await wire.get("/queue")
        _, reply = await asyncio.gather(wire.close(), wire.get("/queue"))
        await wire.close()
        return reply.status

    with simulators.comfyui() as server:
        assert asyncio.run(asks()) == 200
