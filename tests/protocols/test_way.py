"""Counts what a request costs in Python until it is answered: calls are counted, which no busy machine can change."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from tests.protocols.conftest import House

CALLS: Final = 330
"""A warm chat's stream of two pieces makes so many calls at most, of Python's functions in this package and in what it
makes values and asks types with, without the dispatcher's. Python 3.11: 292."""
SLOW: Final = ("dataclasses.py", "typing.py", "inspect.py")
"""These have done for the request before what they do for one."""
PACKAGE: Final = str(Path(__file__).resolve().parents[2] / "hoshikage")
BODY: Final = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "stream": True})


async def calls(house: House) -> Counter[str]:
    """File -> calls of its functions while one request is answered."""
    counted: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            counted[frame.f_code.co_filename] += 1

    former = sys.getprofile()
    sys.setprofile(profile)
    try:
        async with house.session.post(
            f"{house.url}/v1/chat/completions", data=BODY, headers={"Content-Type": "application/json"}
        ) as response:
            assert (await response.read()).endswith(b"data: [DONE]\n\n")
    finally:
        sys.setprofile(former)
    return counted


async def test_the_calls_of_a_request_are_few(house: House) -> None:
    for _ in range(3):
        await calls(house)
    counted = await calls(house)
    assert sum(count for file, count in counted.items() if file.startswith(PACKAGE)) <= CALLS
    assert {file: count for file, count in counted.items() if file.endswith(SLOW)} == {}
