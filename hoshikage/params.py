"""Frozen request and load values that every floor shares. Any thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

RANDOM_SEED = 0xFFFFFFFF
"""llama.h's LLAMA_DEFAULT_SEED: the library draws a seed of its own."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen. Neutral values switch a sampler off, as in llama.h."""

    temperature: float = 0.2
    """0 takes the likeliest token."""
    top_p: float = 0.8
    """1 is off."""
    top_k: int = 40
    """0 is off."""
    min_p: float = 0.0
    """0 is off."""
    repeat_penalty: float = 1.0
    """1 is off."""
    repeat_last_n: int = 64
    """How many last tokens the three penalties look at; -1 is the whole context."""
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int = RANDOM_SEED
    """0 to 2**32 - 1."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat. `role` is as the template knows it (`developer` has become `system`)."""

    role: str
    content: str
    extra: dict[str, Any] = field(default_factory=dict)
    """What templates may also read of a message, such as `name` or `tool_calls`."""


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Turns to be rendered by the model's own chat template."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    template_kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One job for the engine thread."""

    prompt: ChatPrompt
    sampling: SamplingParams = SamplingParams()
    max_tokens: int | None = None
    """None is as much as the context holds."""
    stop: tuple[str, ...] = ()
    """Matched as text, the earliest in the text first; never part of the answer."""
    stop_tokens: tuple[str, ...] = ()
    """Texts of control tokens that end the answer, matched by token id alone."""


@dataclass(frozen=True, slots=True)
class LoadParams:
    """What a runner needs to load one model with the library it was started with."""

    model_path: str
    n_ctx: int = 4096
    """Upper bound in tokens; a model trained on less gets what it was trained on."""
    n_batch: int = 512
    """Prompt tokens per decode, and so the longest wait for a cancel where the backend has no abort callback."""
    n_gpu_layers: int = -1
    """-1 is all."""
    n_threads: int = 0
    """0 is as many as the physical cores the process may use."""
    chat_template: str | None = None
    """Jinja source in place of the GGUF's own; empty for ChatML."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the library says of the loaded model and its context."""

    description: str
    n_params: int
    size_bytes: int
    n_ctx_train: int
    n_ctx: int
    n_vocab: int
    template_source: str
    """`model` where the GGUF brought its chat template, `file` where it was given another, else `chatml`."""
    load_ms: float


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One ggml backend device."""

    name: str
    description: str
    kind: str
    """`cpu`, `gpu`, `igpu`, `accel` or `other`."""
    memory_free: int
    memory_total: int
    """Bytes; 0 where the backend does not say."""


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """What a runner found in the library it loaded."""

    path: str
    model_layout: str
    context_layout: str
    """Names of the recognised layouts, as in `hoshikage._ffi.layouts`."""
    version: str
    """As the library or its file name says; `unknown` where neither does."""
    system_info: str
    devices: tuple[DeviceInfo, ...]
    lacks: tuple[str, ...] = ()
    """The features that this release has not, as in `hoshikage._ffi.features`."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds and counts of one finished request, measured in the engine thread on a monotonic clock."""

    prompt_ms: float
    """Rendering, tokenizing and processing the prompt, up to the logits of its last token."""
    first_token_ms: float
    """From the start of the job to the first sampled token."""
    decode_ms: float
    """From the first sampled token to the end."""
