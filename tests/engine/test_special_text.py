"""Tests what the engine tells of a prompt and shows of control tokens, over the runner's real pipes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import gguf
import pytest

from hoshikage import wire
from hoshikage.dispatch.host import Exit
from hoshikage.dispatch.process import ProcessHost
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message, SamplingParams

STRICT = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[0].content }}<think>"
)


def token(model: Path, text: str) -> int:
    tokens = gguf.GGUFReader(model).fields["tokenizer.ggml.tokens"]
    return next(at for at, part in enumerate(tokens.data) if bytes(tokens.parts[part]) == text.encode())


async def events_of(library: Path, load: LoadParams, request: GenerationRequest) -> list[wire.Event]:
    heard: asyncio.Queue[wire.Event] = asyncio.Queue()
    exits: asyncio.Queue[Exit] = asyncio.Queue()
    host = ProcessHost(library, logging.WARNING, heard.put_nowait, exits.put_nowait)
    await host.start()
    host.send(wire.Load(load))
    host.send(wire.Generate(1, request))
    events: list[wire.Event] = []
    while not events or not isinstance(events[-1], wire.Finished | wire.Failed):
        events.append(await heard.get())
    await host.stop()
    return events


@pytest.mark.parametrize(("shown", "text"), [((), ""), (("<|im_start|>", "[NOT A TOKEN]"), "<|im_start|>" * 3)])
async def test_control_tokens_have_a_text_where_that_is_asked_for(
    library_file: Path, demo_model: Path, shown: tuple[str, ...], text: str
) -> None:
    request = GenerationRequest(
        ChatPrompt((Message("user", "hi"),)),
        SamplingParams(temperature=0, logit_bias=((token(demo_model, "<|im_start|>"), 99.0),)),
        max_tokens=3,
        special_text=shown,
    )
    events = await events_of(library_file, LoadParams(str(demo_model), n_ctx=128), request)
    assert "".join(event.text for event in events if isinstance(event, wire.Token)) == text
    (started,) = (event for event in events if isinstance(event, wire.Started))
    assert (started.repairs, started.tail) == ((), "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")


async def test_repairs_and_the_prompt_s_end_are_told(library_file: Path, demo_model: Path) -> None:
    request = GenerationRequest(ChatPrompt((Message("system", "s"), Message("user", "hi"))), max_tokens=1)
    load = LoadParams(str(demo_model), n_ctx=128, chat_template=STRICT)
    (started,) = (e for e in await events_of(library_file, load, request) if isinstance(e, wire.Started))
    assert (started.repairs, started.tail) == (("system-folded",), "s\n\nhi<think>")
