"""Model: owns one loaded llama_model. Used in the engine thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hoshikage._ffi.callbacks import Progress
from hoshikage._ffi.handles import Owner
from hoshikage._ffi.library import Library
from hoshikage._ffi.memory import text_from
from hoshikage.errors import HoshikageError, ModelLoadFailed, OutOfMemory
from hoshikage.llama.vocab import Vocab
from hoshikage.params import LoadParams

ALL_LAYERS: Final = 999
"""Up to about b7617 a negative n_gpu_layers is none; a number above the model's layers is all, everywhere."""


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
        self.chat_template = self.metadata("tokenizer.chat_template")
        """The GGUF's Jinja source; None where it brings none."""
        self.vocab = Vocab(library, self, self.metadata("tokenizer.ggml.model"))

    @classmethod
    def load(cls, library: Library, params: LoadParams, on_progress: Callable[[float], bool]) -> Model:
        """Load params.model_path. `on_progress` gets 0.0 to 1.0 and aborts the load by returning False.

        Raises ModelLoadFailed, OutOfMemory or NotSupported.
        """
        fields = {"n_gpu_layers": ALL_LAYERS if params.n_gpu_layers < 0 else params.n_gpu_layers}
        if "n_gpu_layers" not in library.fields:  # calibrated without a GPU: the release's own default is all of them
            if params.n_gpu_layers >= 0 and any(device.kind != "cpu" for device in library.info().devices):
                library.require("gpu_layers")
            fields = {}
        return cls.load_with(library, params.model_path, Progress(on_progress), fields)

    @classmethod
    def load_with(cls, library: Library, path: str, progress: Progress, fields: Mapping[str, float]) -> Model:
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
        """A value of the GGUF's metadata as text; None where it is missing or an array."""
        raw, api = key.encode(), self.library.api
        return text_from(lambda buffer, size: api.llama_model_meta_val_str(self.pointer, raw, buffer, size))


def _load_failure(path: str, aborted: bool, errors: list[str]) -> HoshikageError:
    if aborted:
        return ModelLoadFailed("engine.load_aborted", path=path)
    reason = " / ".join(errors[-3:]) or "-"
    # libllama returns NULL for everything; that memory was short it only says in its log.
    if any("alloc" in line for line in errors):
        return OutOfMemory("engine.model_too_large", path=path, reason=reason)
    return ModelLoadFailed("engine.model_load_failed", path=path, reason=reason)
