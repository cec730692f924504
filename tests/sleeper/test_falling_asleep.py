"""Tests the moment of falling asleep: no connection may have been accepted that nobody knows of yet."""

from __future__ import annotations

import asyncio
import inspect
import socket
from typing import Any

from hoshikage.protocols.sleep import accepted_are_known

TURNS = 6
REST = 10


def not_begun() -> int:
    """Returns how many tasks there are whose first line has not run: such is a connection that was just accepted."""
    coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
    return sum(inspect.getcoroutinestate(one) == inspect.CORO_CREATED for one in coroutines)


async def turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_whoever_was_accepted_is_known_before_the_last_look() -> None:
    """A program that takes the place of this one would close the connection, and its client would see a reset."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    unknown = 0
    async with server:
        for turns in range(TURNS):
            with socket.create_connection(server.sockets[0].getsockname()):
                await turn(turns)
                unknown += not_begun()
                await accepted_are_known()
                assert not_begun() == 0, f"after {turns} turns"
                await turn(REST)
            await accepted_are_known()
            await turn(REST)
    assert unknown, "there is such a moment"
