"""Tests the frames: what goes in comes out, and nothing else gets through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hoshikage import wire
from hoshikage.answer.schema import media as media_schema
from hoshikage.errors import HoshikageError, ModelLoadFailed
from hoshikage.http import bodies
from hoshikage.params import (
    ChatPrompt,
    Detokenization,
    Embedding,
    GenerationRequest,
    InfillPrompt,
    Medium,
    Message,
    Prompt,
    Ranking,
    Rendering,
    Task,
    TextPrompt,
    Tokenization,
    TokenPrompt,
)


def body(frame: bytes) -> bytes:
    assert wire.body_length(frame[: wire.HEADER_BYTES]) == len(frame) - wire.HEADER_BYTES
    return frame[wire.HEADER_BYTES :]


@given(st.lists(st.tuples(st.sampled_from(["image", "audio"]), st.binary(), st.text("0123456789")), max_size=4))
def test_pictures_and_sounds_survive_the_pipe_byte_for_byte(files: list[tuple[Any, bytes, str]]) -> None:
    media = tuple(Medium(kind, data, "0" * 64, f"\ue002{mark}") for kind, data, mark in files)
    prompt = ChatPrompt((Message("user", "".join(medium.mark for medium in media)),), media=media)
    command = wire.Generate(1, GenerationRequest(prompt))
    assert wire.decode_command(body(wire.encode(command))) == command


@given(st.text(), st.integers(0, 2**31))
def test_a_token_survives_the_pipe(text: str, count: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    token = wire.Token(1, text, count)
    assert wire.decode_event(body(wire.encode(token))) == token


def test_a_request_survives_the_pipe() -> None:
    request = GenerationRequest(ChatPrompt((Message("user", "こんにちは"),)), stop=("。",))
    assert wire.decode_command(body(wire.encode(wire.Generate(7, request)))) == wire.Generate(7, request)


@given(st.binary(max_size=64))
@example(b"\x91\xa1\x80")
def test_random_bytes_are_refused_or_are_an_event(data: bytes) -> None:
    try:
        event = wire.decode_event(data)
    except wire.FrameError:
        return
    assert isinstance(event, wire.Frame)


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(wire.FrameError):
        wire.body_length((wire.MAX_FRAME_BYTES + 1).to_bytes(4, "little"))


def test_a_request_of_the_largest_pictures_and_texts_fits() -> None:
    media = tuple(Medium("image", bytes(one), "0" * 64, f"mark{one}") for one in (media_schema.MAX_BYTES - 64, 64))
    request = GenerationRequest(ChatPrompt((Message("user", "a" * bodies.MAX_BYTES),), media=media))
    sent = wire.encode(wire.Generate(1, request))
    assert wire.body_length(sent[: wire.HEADER_BYTES]) > media_schema.MAX_BYTES + bodies.MAX_BYTES


def test_an_error_crosses_with_its_class_and_details() -> None:
    failed = wire.Failed.of(ModelLoadFailed("engine.model_load_failed", path="a.gguf"), 3)
    error = wire.decode_event(body(wire.encode(failed)))
    assert isinstance(error, wire.Failed)
    assert type(error.error()) is ModelLoadFailed
    assert error.error().details == {"path": "a.gguf"}


def test_an_error_of_an_unknown_class_is_the_root() -> None:
    assert type(wire.Failed(None, "SystemExit", "engine.internal").error()) is HoshikageError


@pytest.mark.parametrize(
    "prompt", [TextPrompt("星影"), TokenPrompt((1, 2)), InfillPrompt("a", "b", (("c", "d"),), "input_suffix")]
)
def test_a_prompt_keeps_its_kind(prompt: Prompt) -> None:
    sent = wire.command_for(7, GenerationRequest(prompt, echo=True))
    assert wire.decode_command(body(wire.encode(sent))) == sent


@pytest.mark.parametrize(
    "task",
    [
        Tokenization("a", True, False),
        Detokenization((1, 2)),
        Rendering(ChatPrompt((Message("user", "x"),))),
        Embedding(("a", (1, 2)), 3),
        Ranking("a", ("b", "c")),
    ],
)
def test_a_task_keeps_its_kind(task: Task) -> None:
    sent = wire.command_for(7, task)
    assert isinstance(sent, wire.Perform)
    assert wire.decode_command(body(wire.encode(sent))) == sent
