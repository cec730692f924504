"""Sends the siege's files: damaged models through the check and the load, and registries as power cuts leave them.
Blocking.

Damage is random: no file that ends some library is kept anywhere.
"""

from __future__ import annotations

import http.client
import json
import random
import struct
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from hoshikage import gguf
from hoshikage.errors import GgufInvalid, HoshikageError
from hoshikage.registry import Registry
from siege_totals import Totals

NUMBERS: Final = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
HEADER_SHARE: Final = 0.9
HEADER_BYTES: Final = 64 * 1024
REQUEST_S: Final = 60
LOADED_SHARE: Final = 0.25
"""This share of the files that pass the check is loaded: a load takes a hundred times as long as one."""


def damaged(original: bytes, header: int, dice: random.Random) -> bytes:
    """Returns a copy with one to three faults, most of them in the header."""
    content = bytearray(original)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(header if dice.random() < HEADER_SHARE else len(content) - 8)
        kind = dice.randrange(4)
        if kind == 0:
            content[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            number = struct.pack("<Q", dice.choice(NUMBERS))[: dice.choice((1, 2, 4, 8))]
            content[at : at + len(number)] = number
        elif kind == 2:
            del content[at : at + dice.randint(1, 16)]
        else:
            content[at:at] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 16)))
        header = min(header, len(content) - 8)
    return bytes(content)


def try_models(url: str, model: Path, folder: Path, seconds: float, totals: Totals, dice: random.Random) -> None:
    """Damaged copies of the model in MODEL_DIR, those that pass the check are asked for an answer."""
    original = model.read_bytes()
    header = min(len(original) - 8, HEADER_BYTES)
    ends = time.monotonic() + seconds
    number = 0
    while time.monotonic() < ends:
        number += 1
        file = folder / f"damaged-{number}.gguf"
        file.write_bytes(damaged(original, header, dice))
        totals.counts["files"] += 1
        try:
            gguf.read_chat_model(file)
        except GgufInvalid:
            totals.counts["files_refused_by_check"] += 1
        else:
            if dice.random() < LOADED_SHARE:
                _ask(url, file.stem, totals)
            else:
                totals.counts["files_passed_and_not_loaded"] += 1
        file.unlink()
        if number % 50 == 0:
            totals.write()


def _ask(url: str, name: str, totals: Totals) -> None:
    body = {"model": name, "messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "temperature": 0}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_S) as answer:
            answer.read()
            totals.counts["files_answered"] += 1
    except urllib.error.HTTPError as error:
        code = json.load(error)["error"]["code"]
        crashed = code in ("model_crashed", "model_quarantined")
        totals.counts["files_runner_deaths" if crashed else "files_refused_by_load"] += 1
    except (OSError, http.client.HTTPException):
        totals.counts["files_ended_server"] += 1


def cut_power(folder: Path, seconds: float, totals: Totals, dice: random.Random) -> None:
    """Leaves a registry in every state that a write interrupted by a power cut can: nothing that was there is lost."""
    ends = time.monotonic() + seconds
    state = 0
    while time.monotonic() < ends:
        state += 1
        place = folder / f"power-{state}"
        file = place / "model_map.json"
        before = Registry(file)
        labels = [f"m{number}" for number in range(dice.randint(1, 5))]
        for label in labels:
            before.add(label, place / f"{label}.gguf")
        _interrupt(file, dice)
        totals.counts["power_states"] += 1
        try:
            result = {spec.label for spec in Registry(file).specs()}
        except (HoshikageError, OSError):
            result = set()
        if not set(labels) <= result:
            totals.counts["power_lost"] += 1
        for left in place.iterdir():
            left.unlink()
        place.rmdir()


def _interrupt(file: Path, dice: random.Random) -> None:
    """Leaves what a power cut in a write does: a torn temporary file, or, on some file systems, a torn new one."""
    whole = file.read_bytes()
    torn = whole[: dice.randrange(len(whole))] if dice.random() < 0.7 else bytes(len(whole))
    if dice.random() < 0.5:
        (file.parent / f".{file.name}.{dice.getrandbits(32):x}.tmp").write_bytes(torn)
    else:
        file.write_bytes(torn)
