"""What a runner tells of its library, of the loaded model and of a request that has ended. Values; any thread."""

from __future__ import annotations

from hoshikage.frozen import Frozen


class ModelInfo(Frozen, frozen=True):
    """The library says this of the loaded model and its context."""

    description: str
    n_params: int
    size_bytes: int
    n_ctx_train: int
    n_ctx: int
    n_vocab: int
    template_source: str
    """`template_source` is `model` where the GGUF brought its chat template, `file` where it was given another, else
    `chatml`."""
    load_ms: float
    n_gpu_layers: int = 0
    """`n_gpu_layers` counts the layers on the GPU, the output as one."""
    n_sequences: int = 1
    """So many answers are computed together at most."""
    warnings: tuple[str, ...] = ()
    """`warnings` are keys of messages that say what is not as the settings have it."""
    bos_token: str = ""
    eos_token: str = ""
    """`bos_token` and `eos_token` are the texts of the two; empty where the model has none."""
    purposes: tuple[str, ...] = ("text", "embeddings")
    """`purposes` lists what can be asked of it: `text`, `embeddings`, `rerank`."""
    images: bool = False
    audio: bool = False
    """`images` and `audio` tell whether its projector reads pictures, and sound."""
    n_threads: int = 0
    """So many threads compute one token."""
    is_busy: bool = False
    """`is_busy` tells whether other programs wanted the machine's cores at the load."""
    vram_bytes: int = 0
    """The load took so many bytes of the GPUs' free memory, by the library's own account."""
    devices: tuple[DeviceInfo, ...] = ()
    """`devices` are what the library can compute on, with the memory that they had left behind the load."""


class DeviceInfo(Frozen, frozen=True):
    """This is one ggml backend device."""

    name: str
    description: str
    kind: str
    """`kind` is `cpu`, `gpu`, `igpu`, `accel` or `other`."""
    memory_free: int
    memory_total: int
    """`memory_total` is in bytes; 0 where the backend does not say, or was not asked."""


class LibraryInfo(Frozen, frozen=True):
    """This is what a runner found in the library that it loaded."""

    path: str
    model_layout: str
    context_layout: str
    """These are the names of the recognised layouts, as in `hoshikage._ffi.layouts`."""
    version: str
    """`version` is what the library or its file name says; `unknown` where neither does."""
    system_info: str
    devices: tuple[DeviceInfo, ...]
    lacks: tuple[str, ...] = ()
    """The features that this release has not, as in `hoshikage._ffi.features`."""


class Timings(Frozen, frozen=True):
    """These are milliseconds and counts of one finished request, measured in the engine thread on a monotonic clock."""

    prompt_ms: float
    """The time goes to rendering, tokenizing and processing the prompt, up to the logits of its last token."""
    first_token_ms: float
    """The time runs from the start of the job to the first sampled token."""
    decode_ms: float
    """The time runs from the first sampled token to the end."""
    sampling_ms: float = 0.0
    """`sampling_ms` is the part of both that choosing tokens took."""
    cached_tokens: int = 0
    """`cached_tokens` counts the tokens of the prompt that were in KV memory already."""
    drafted: int = 0
    """`drafted` counts the tokens that were guessed ahead."""
    accepted: int = 0
    """The model would have chosen this many of them itself."""
    queue_ms: float = 0.0
    load_ms: float = 0.0
    """These are the waits for its turn and for its model, before `prompt_ms`; the server fills them in."""
    stop_token: str = ""
    """`stop_token` is the text of the token that ended the answer, of the last choice; empty where none did."""
