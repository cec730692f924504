"""2,000 damaged copies of a small model, through `add`'s check and a chat: the server outlives them all."""

from __future__ import annotations

import os
import random
import struct
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai import OpenAI

from hoshikage import gguf
from hoshikage.errors import GgufInvalid
from hoshikage.option import Value
from hoshikage.registry import OwnOptions, Registry
from tests.end_to_end.conftest import register
from tests.end_to_end.live import LiveServer, home_environ

MUTATIONS: Final = 2_000
SERVERS: Final = 2
HEADER_SHARE: Final = 0.9
"""Damage in the weights changes numbers; damage in the header changes what the library does."""
NUMBERS: Final = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
    (1 << 64) - 1,
)
KNOWN_CODES: Final = {
    "model_load_failed",
    "template_refused",
    "context_length_exceeded",
    "validation_error",
    "inference_failed",
    "model_crashed",
    "out_of_memory",
    "unavailable",
}


def flip(content: bytearray, at: int, dice: random.Random) -> None:
    content[at] ^= 1 << dice.randrange(8)


def overwrite(content: bytearray, at: int, dice: random.Random) -> None:
    number = struct.pack("<Q", dice.choice(NUMBERS))[: dice.choice((1, 2, 4, 8))]
    content[at : at + len(number)] = number


def cut_out(content: bytearray, at: int, dice: random.Random) -> None:
    del content[at : at + dice.randrange(1, 64)]


def repeat(content: bytearray, at: int, dice: random.Random) -> None:
    content[at:at] = content[at : at + dice.randrange(1, 64)]


def truncate(content: bytearray, at: int, dice: random.Random) -> None:
    del content[at:]


DAMAGES: Final[tuple[Callable[[bytearray, int, random.Random], None], ...]] = (
    flip, flip, flip, overwrite, overwrite, cut_out, repeat, truncate,
)  # fmt: skip


def damaged(content: bytes, header: int, seed: int) -> bytes:
    dice = random.Random(seed)
    mutated = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        limit = min(header, len(mutated)) if dice.random() < HEADER_SHARE else len(mutated)
        dice.choice(DAMAGES)(mutated, dice.randrange(max(limit, 1)), dice)
    return bytes(mutated)


def outcomes(server: LiveServer, model: Path, content: bytes, seeds: range) -> Counter[str]:
    """Counts what came of each damaged copy. Raises where the server answers otherwise than it may."""
    counts: Counter[str] = Counter()
    header = content.index(b"token_embd.weight")
    part = model.with_suffix(".part")
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60) as client:
        for seed in seeds:
            part.write_bytes(damaged(content, header + 4096, seed))
            part.replace(model)
            try:
                gguf.read(model)
            except GgufInvalid:
                counts["refused by add"] += 1
                continue
            try:
                client.chat.completions.create(
                    model="damaged", messages=[{"role": "user", "content": f"hello {seed}"}], max_tokens=2
                )
                counts["answered"] += 1
            except openai.APIStatusError as error:
                if error.code not in KNOWN_CODES:
                    raise AssertionError(f"seed {seed}: {error}") from error
                counts[str(error.code)] += 1
        part.write_bytes(content)
        part.replace(model)
        assert client.chat.completions.create(
            model="damaged", messages=[{"role": "user", "content": "still there?"}], max_tokens=2
        )
    return counts


def test_the_server_outlives_damaged_models(
    tmp_path: Path, library_file: Path, demo_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = demo_model.read_bytes()

    def run(number: int) -> Counter[str]:
        home = tmp_path / str(number)
        home.mkdir()
        model = home / "damaged.gguf"
        model.write_bytes(content)
        register(home, {"damaged": model})
        share = MUTATIONS // SERVERS
        with LiveServer(home_environ(home, library_file, WATCHDOG_TIMEOUT="10", N_THREADS="1")) as server:
            counts = outcomes(server, model, content, range(number * share, (number + 1) * share))
            assert server.process.poll() is None
        return counts

    with ThreadPoolExecutor(SERVERS) as pool:
        total: Counter[str] = sum(pool.map(run, range(SERVERS)), Counter())
    assert total.total() == MUTATIONS
    crashes = total["model_crashed"]
    with capsys.disabled():
        print(f"\n{os.linesep.join(f'  {count:5} {outcome}' for outcome, count in total.most_common())}")
    assert crashes <= MUTATIONS // 100


def test_pipes_in_the_place_of_files_hold_up_nobody(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)  # to open it for reading waits for a writer, who does not come
    registry = Registry(tmp_path / ".config" / "hoshikage" / "model_map.json")
    registry.add("sound", demo_model)
    registry.add("model", pipe)
    options: dict[str, Value] = {
        "mmproj": str(pipe),
        "draft": str(pipe),
        "lora": [str(pipe)],
        "chat_template": str(pipe),
    }
    for name, value in options.items():
        registry.add(name, demo_model, (), OwnOptions({name: value}))
    messages: Any = [{"role": "user", "content": "x"}]
    with (
        LiveServer(home_environ(tmp_path, library_file)) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=30) as client,
    ):
        for label in ("model", *options):
            with pytest.raises(openai.APIStatusError) as refused:
                client.chat.completions.create(model=label, messages=messages, max_tokens=1)
            assert refused.value.code in KNOWN_CODES | {"gguf_invalid", "model_not_found"}, label
        answer = client.chat.completions.create(model="sound", messages=messages, max_tokens=1)
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 1
