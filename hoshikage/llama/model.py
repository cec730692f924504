"""Owns one loaded llama_model. Used in the engine thread."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from hoshikage._ffi.callbacks import ProgressReporter
from hoshikage._ffi.features import KV_APIS
from hoshikage._ffi.handles import Owner
from hoshikage._ffi.library import Library
from hoshikage._ffi.memory import text_from
from hoshikage.architectures import HYBRIDS
from hoshikage.errors import HoshikageError, ModelLoadFailed, OutOfMemory
from hoshikage.llama.load_fields import model_fields
from hoshikage.llama.placing import placing
from hoshikage.llama.vocab import Vocab
from hoshikage.params import LoadParams

MEMORY_SHORT: Final = re.compile(
    r"out of (?:\w+ )?memory|insufficient memory|OutOf(?:Device|Host)Memory|bad_alloc"
    r"|(?:failed|unable|cannot|can't) (?:to )?(?:m?alloc|reserve)|alloc\w{0,40} .{0,200}fail|Malloc failed",
    re.IGNORECASE,
)
"""The library and its backends log this where memory is short; they return nothing but NULL for it. Names from the file
stand in those lines, so that nothing here may look far."""


class Model(Owner):
    """The facts are read once at load; `close` frees the weights. Contexts must be closed before."""

    def __init__(self, library: Library, pointer: int) -> None:
        super().__init__(pointer, library.api.llama_model_free)
        self.library = library
        api = library.api
        self.description = text_from(lambda buffer, size: api.llama_model_desc(pointer, buffer, size)) or ""
        self.n_params: int = api.llama_model_n_params(pointer)
        self.size_bytes: int = api.llama_model_size(pointer)
        self.n_ctx_train: int = api.llama_model_n_ctx_train(pointer)
        self.n_embd: int = (api.llama_model_n_embd_out or api.llama_model_n_embd)(pointer)
        """An embedding has this length."""
        self.chat_template = self.metadata("tokenizer.chat_template")
        """`chat_template` is the GGUF's Jinja source; None where it brings none."""
        self.architecture = self.metadata("general.architecture") or ""
        self.n_layers = _count(self.own("block_count"))
        """`n_layers` counts the model's layers without its output; 0 where the GGUF does not say."""
        self.n_gpu_layers = 0
        """So many of them, the output counted, are on a GPU; known by who loaded it."""
        self.vram_bytes = 0
        """It and its context took so many bytes of the GPUs' memory; known by who loaded it."""
        self._kept: object = None
        self.n_swa = 0 if api.llama_model_n_swa is None else max(0, api.llama_model_n_swa(pointer))
        """A layer with a window looks at so many tokens; 0 where there are none, or the release does not say."""
        tests = (api.llama_model_is_recurrent, api.llama_model_is_hybrid)
        keeps_state = any(test is not None and test(pointer) for test in tests)
        self.keeps_state: bool = keeps_state or self.architecture in HYBRIDS
        """`keeps_state` tells whether layers of it keep one state for all of a text's tokens, so that its memory cannot
        be cut."""
        self.spoils_sequences = self.keeps_state and library.kv_api != KV_APIS[0]
        """Whether this release computes wrongly with more than one sequence of it, and leaves a sequence's state behind
        when it is taken out: up to b5590 it does so with every model that keeps a state."""
        self.vocab = Vocab(library, self, self.metadata("tokenizer.ggml.model"))

    @classmethod
    def load(
        cls, library: Library, params: LoadParams, on_progress: Callable[[float], bool], n_gpu_layers: int | None = None
    ) -> Model:
        """Loads params.model_path. `on_progress` gets 0.0 to 1.0 and aborts the load by returning False.

        `n_gpu_layers`, where it is given, stands for that of the parameters. Raises ModelLoadFailed, OutOfMemory or
        NotSupported.
        """
        layers = params.n_gpu_layers if n_gpu_layers is None else n_gpu_layers
        placed = placing(library, params, layers)
        read = replace(params, use_mmap=params.use_mmap and not placed.overrides)
        fields = {**model_fields(library, read, layers), **placed.fields}
        model = cls.load_with(library, params.model_path, ProgressReporter(on_progress), fields)
        model._kept = placed.kept  # the library keeps the addresses
        return model

    @classmethod
    def load_vocabulary(cls, library: Library, path: str) -> Model:
        """Loads metadata and vocabulary alone. Raises ModelLoadFailed or NotSupported."""
        if "vocab_only" not in library.fields:
            raise ModelLoadFailed("engine.model_load_failed", path=path, reason="vocab_only")
        return cls.load_with(library, path, ProgressReporter(lambda _progress: True), {"vocab_only": 1})

    @classmethod
    def load_with(cls, library: Library, path: str, progress: ProgressReporter, fields: Mapping[str, float]) -> Model:
        """Load with any fields of llama_model_params set; the rest keeps the library's defaults."""
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            raise ModelLoadFailed("engine.model_unreadable", path=path, reason=error.strerror or str(error)) from None
        image = library.model_params(
            {
                "progress_callback": progress.address,
                "progress_callback_user_data": progress.user_data,
                **fields,
            }
        )
        library.log_lines.errors = []
        pointer: int | None = library.api.llama_model_load_from_file(os.fsencode(path), image)
        if pointer is None:
            progress.check()
            raise _load_failure(path, progress.aborted, library.log_lines.errors)
        model = cls(library, pointer)
        try:
            progress.check()
        except BaseException:
            model.close()
            raise
        return model

    def metadata(self, key: str) -> str | None:
        """Returns a value of the GGUF's metadata as text; None where it is missing or an array."""
        raw, api = key.encode(), self.library.api
        return text_from(lambda buffer, size: api.llama_model_meta_val_str(self.pointer, raw, buffer, size))

    def own(self, key: str) -> str | None:
        """Returns what `metadata` has under a key that begins with the architecture's name."""
        return self.metadata(f"{self.architecture}.{key}")


def _load_failure(path: str, aborted: bool, errors: list[str]) -> HoshikageError:
    if aborted:
        return ModelLoadFailed("engine.load_aborted", path=path)
    reason = " / ".join(errors[-3:]) or "-"
    if memory_short(errors):
        return OutOfMemory("engine.model_too_large", path=path, reason=reason)
    return ModelLoadFailed("engine.model_load_failed", path=path, reason=reason)


def memory_short(errors: Iterable[str]) -> bool:
    """Whether lines of the library's log say that memory was short."""
    return any(MEMORY_SHORT.search(line) for line in errors)


def _count(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0
