"""Library: one loaded libllama, with its bound functions, recognised layouts and kept callbacks. One thread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from hoshikage._ffi import backends, penalties
from hoshikage._ffi.callbacks import LEVELS, LEVELS_UP_TO_B3995, LogLines, LogSink
from hoshikage._ffi.images import default_image, patched
from hoshikage._ffi.layout import Layout
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage._ffi.opening import Files
from hoshikage._ffi.recognition import DefaultImage, Unrecognised, recognise
from hoshikage._ffi.signatures import GGML, LLAMA, ONE_OF
from hoshikage._ffi.types import Image, LogCallback
from hoshikage.errors import LibraryUnavailable
from hoshikage.params import LibraryInfo

RELEASE_IN_NAME: Final = re.compile(r"[.](b\d{4,}|v\d+[.]\d+[.]\d+)[.]|[.]0[.]0[.](\d{4,})")
"""libllama.b8390.so, libllama.v0.5.0.so, and upstream's libllama.so.0.0.8390"""


class Library:
    """A libllama ready for model loads. `api` holds its functions by today's names, missing optional ones as None.

    Everything that C may call lives on it until the process ends: backends keep log callbacks beyond `close`.
    """

    def __init__(self, files: Files, log: LogSink, model_layouts: Sequence[Layout], context_layouts: Sequence[Layout]):
        self.path = files.path
        self.api = bind(files)
        self.log_lines = LogLines(log, LEVELS_UP_TO_B3995 if self.api.has_old_log_levels else LEVELS)
        self.api.llama_log_set(self.log_lines.callback, None)
        if self.api.ggml_log_set is not None:
            self.api.ggml_log_set(self.log_lines.callback, None)
        self._model_default, self.model_layout = self._struct("llama_model_params", model_layouts)
        self._context_default, self.context_layout = self._struct("llama_context_params", context_layouts)
        backends.load_backends(self.api, self.path)
        self.init_penalties = penalties.bind(self.api)
        self.api.llama_backend_init()
        self._open = True

    def info(self) -> LibraryInfo:
        return LibraryInfo(
            path=str(self.path),
            model_layout=self.model_layout.name,
            context_layout=self.context_layout.name,
            version=self._version(),
            system_info=self.api.llama_print_system_info().decode("utf-8", "replace").strip(),
            devices=backends.devices(self.api),
        )

    def model_params(self, values: dict[str, float]) -> Image:
        return patched(self._model_default, self.model_layout, values)

    def context_params(self, values: dict[str, float]) -> Image:
        return patched(self._context_default, self.context_layout, values)

    def vocab_of(self, model: int) -> int:
        """What the vocabulary's functions take: the model's llama_vocab, or the model itself up to b4435."""
        if self.api.llama_model_get_vocab is None:
            return model
        vocab: int = self.api.llama_model_get_vocab(model)
        return vocab

    @property
    def abort_is_safe(self) -> bool:
        """Whether a decode with several threads may be aborted.

        Up to b4980 (the releases of layout ctx-A) ggml's threads see an abort at different nodes, and one may wait for
        the other for ever; measured as a hang within 300 aborts on b3889 to b4529, never on b5590 and later.
        """
        return "logits_all" not in self.context_layout.offsets()

    def close(self) -> None:
        """End the backend. Models must be closed before. The file stays loaded until the process ends."""
        if self._open:
            self._open = False
            self.api.llama_backend_free()
            # Python's own callback may be gone when C logs at the process's end; NULL is C's default, stderr.
            self.api.llama_log_set(LogCallback(), None)

    def _struct(self, name: str, layouts: Sequence[Layout]) -> tuple[DefaultImage, Layout]:
        image = default_image(getattr(self.api, name.replace("_params", "_default_params")))
        try:
            return image, recognise(image, layouts)
        except Unrecognised as refusal:
            raise LibraryUnavailable(
                "library.layout_unknown",
                file=str(self.path),
                struct=name,
                nearest=refusal.nearest,
                difference=refusal.difference,
            ) from None

    def _version(self) -> str:
        # llama_version comes last: "0.5.0-dev" is what several different builds say of themselves.
        for name in (self.path.name, self.path.resolve().name):
            found = RELEASE_IN_NAME.search(name)
            if found:
                return found[1] or f"b{found[2]}"
        if self.api.llama_version is not None:
            text: str = self.api.llama_version().decode("utf-8", "replace")
            return text
        return "unknown"


def load(
    path: Path,
    log: LogSink,
    *,
    model_layouts: Sequence[Layout] = MODEL_LAYOUTS,
    context_layouts: Sequence[Layout] = CONTEXT_LAYOUTS,
) -> Library:
    """Load the libllama file at `path`; `log` gets whole lines of its log with a `logging` level.

    Raises LibraryUnavailable where it cannot be opened, lacks needed functions, has an unknown layout or no backend.
    """
    return Library(Files(path), log, model_layouts, context_layouts)


def bind(files: Files) -> SimpleNamespace:
    """All functions of the tables, with their types. Every missing needed one is named in one LibraryUnavailable."""
    api = SimpleNamespace()
    missing: list[str] = []
    for row in (*LLAMA, *GGML):
        function = next(filter(None, map(files.find, (row.name, *row.older))), None)
        if function is not None:
            c_function: object = function
            c_function.restype, c_function.argtypes = row.result, row.arguments  # type: ignore[attr-defined]
        elif row.needed:
            missing.append(row.name)
        setattr(api, row.name, function)
    missing += [" / ".join(group) for group in ONE_OF if not any(getattr(api, name) for name in group)]
    if missing:
        raise LibraryUnavailable("library.functions_missing", file=str(files.path), names=", ".join(missing))
    api.has_old_model_load = files.find("llama_model_load_from_file") is None
    api.has_old_log_levels = files.find("ggml_backend_load") is None and api.has_old_model_load
    return api
