"""Holds one loaded libllama, with its bound functions, recognised layouts and kept callbacks. One thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from hoshikage._ffi import backends, features, mtmd, penalties
from hoshikage._ffi.callbacks import LEVELS, LEVELS_UP_TO_B3995, LogLines, LogSink
from hoshikage._ffi.images import default_image, patched
from hoshikage._ffi.layout import CALIBRATED, Calibrated, Layout
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage._ffi.mtmd import Mtmd
from hoshikage._ffi.opening import Files
from hoshikage._ffi.recognition import DefaultImage, Unrecognised, confirm, recognise
from hoshikage._ffi.signatures import GGML, LLAMA, ONE_OF, bound
from hoshikage._ffi.types import Image, LogCallback
from hoshikage.errors import FunctionsMissing, LayoutUnknown, LibraryUnavailable, NotSupported
from hoshikage.infos import DeviceInfo, LibraryInfo

RELEASE_IN_NAME: Final = re.compile(r"[.](b\d{4,}|v\d+[.]\d+[.]\d+)[.]|[.]0[.]0[.](\d{4,})")
"""The release stands in names such as libllama.b8390.so, libllama.v0.5.0.so, and upstream's libllama.so.0.0.8390."""


class Library:
    """This is a libllama; `recognise`, then `start`, make it ready for model loads (`load` does). `api` holds its
    functions by today's names, missing optional ones as None.

    Everything that C may call lives on it until the process ends: backends keep log callbacks beyond `close`.
    """

    model_layout: Layout
    context_layout: Layout

    def __init__(self, files: Files, log: LogSink) -> None:
        self.path = files.path
        self.api = bind(files)
        self._files = files
        self.log_lines = LogLines(log, LEVELS_UP_TO_B3995 if self.api.has_old_log_levels else LEVELS)
        self.api.llama_log_set(self.log_lines.callback, None)
        if self.api.ggml_log_set is not None:
            self.api.ggml_log_set(self.log_lines.callback, None)
        self.model_default = default_image(self.api.llama_model_default_params)
        self.context_default = default_image(self.api.llama_context_default_params)
        self._open = False
        self._mtmd: Mtmd | None = None

    def recognise(
        self,
        model_layouts: Sequence[Layout] = MODEL_LAYOUTS,
        context_layouts: Sequence[Layout] = CONTEXT_LAYOUTS,
        calibrated: Calibrated | None = None,
    ) -> None:
        """Finds the structs' layouts; `calibrated` stands in for a struct that has none. Raises LibraryUnavailable."""
        calibration = calibrated or Calibrated(None, None)
        self.model_layout = self._layout("llama_model_params", self.model_default, model_layouts, calibration.model)
        self.context_layout = self._layout(
            "llama_context_params", self.context_default, context_layouts, calibration.context
        )

    def start(self) -> None:
        """Loads the backends. Raises LibraryUnavailable."""
        backends.load_backends(self.api, self.path)
        self.init_penalties = penalties.bind(self.api)
        self.api.llama_backend_init()
        self._open = True

    def info(self, *, memory: bool = False) -> LibraryInfo:
        """Says what the library is. `memory`: how much its devices have is asked, too, which takes some of a GPU's."""
        return LibraryInfo(
            path=str(self.path),
            model_layout=self.model_layout.name,
            context_layout=self.context_layout.name,
            version=self.version,
            system_info=self.api.llama_print_system_info().decode("utf-8", "replace").strip(),
            devices=self.devices(memory=memory),
            lacks=self.lacks,
        )

    def devices(self, *, memory: bool = False) -> tuple[DeviceInfo, ...]:
        """Returns what the loaded backends can compute on, as backends.devices does."""
        return backends.devices(self.api, memory=memory)

    @property
    def fields(self) -> frozenset[str]:
        """Names what may be set: the fields of both structs. A calibrated layout has only those that were found."""
        return frozenset((*self.model_layout.offsets(), *self.context_layout.offsets()))

    @property
    def lacks(self) -> tuple[str, ...]:
        """Lists the features of features.FEATURES that this library has not."""
        return features.lacking(self.exports, self.fields)

    @property
    def is_calibrated(self) -> bool:
        """Tells whether a layout was found out by behaviour instead of being in the table."""
        return CALIBRATED in (self.model_layout.seen, self.context_layout.seen)

    @property
    def kv_api(self) -> str:
        return features.kv_api(self.exports)

    def exports(self, name: str) -> bool:
        return self._files.find(name) is not None

    def require(self, feature: str) -> None:
        """Raises NotSupported where the library lacks a feature of features.FEATURES."""
        if feature in self.lacks:
            first = features.first_with(feature)
            raise NotSupported("library.feature_since", feature=feature, version=self.version, first=first)

    def media(self) -> Mtmd:
        """Returns what makes pictures and sound into what a model reads. Raises NotSupported where the library has it
        not."""
        if self._mtmd is None:
            self._mtmd = mtmd.bind(self._files, self.log_lines.callback)
        return self._mtmd

    def model_params(self, values: dict[str, float]) -> Image:
        return patched(self.model_default, self.model_layout, values)

    def context_params(self, values: dict[str, float]) -> Image:
        return patched(self.context_default, self.context_layout, values)

    def vocab_of(self, model: int) -> int:
        """Returns what the vocabulary's functions take: the model's llama_vocab, or the model itself up to b4435."""
        if self.api.llama_model_get_vocab is None:
            return model
        vocab: int = self.api.llama_model_get_vocab(model)
        return vocab

    @property
    def abort_is_safe(self) -> bool:
        """Tells whether a decode with several threads may be aborted.

        Up to b4980 (the releases of layout ctx-A) ggml's threads see an abort at different nodes, and one may wait for
        the other for ever; measured as a hang within 300 aborts on b3889 to b4529, never on b5590 and later.
        """
        return "safe_abort" not in self.lacks

    def close(self) -> None:
        """Ends the backend. Models must be closed before. The file stays loaded until the process ends."""
        if self._open:
            self._open = False
            self.api.llama_backend_free()
            # Python's own callback may be gone when C logs at the process's end; NULL is C's default, stderr.
            self.api.llama_log_set(LogCallback(), None)
            if self._mtmd is not None:
                self._mtmd.set_log(LogCallback())

    def _layout(self, name: str, image: DefaultImage, known: Sequence[Layout], calibrated: Layout | None) -> Layout:
        try:
            try:
                return recognise(image, known)
            except Unrecognised:
                if calibrated is None:
                    raise
                confirm(image, calibrated)
                return calibrated
        except Unrecognised as refusal:
            raise LayoutUnknown(
                "library.layout_unknown",
                file=str(self.path),
                struct=name,
                nearest=refusal.nearest,
                difference=refusal.difference,
            ) from None

    @property
    def version(self) -> str:
        """Returns the version that the file's name says, or the library itself; `unknown` where neither does."""
        # llama_version comes last: "0.5.0-dev" is what several different builds say of themselves.
        for name in (self.path.name, self.path.resolve().name):
            match = RELEASE_IN_NAME.search(name)
            if match:
                return match[1] or f"b{match[2]}"
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
    calibrated: Callable[[], Calibrated | None] = lambda: None,
) -> Library:
    """Loads the libllama file at `path`; `log` gets whole lines of its log with a `logging` level.

    `calibrated` is asked for layouts where one is in no table. Raises LibraryUnavailable where the file cannot be
    opened, lacks needed functions, has an unknown layout or no backend.
    """
    library = Library(Files(path), log)
    try:
        library.recognise(model_layouts, context_layouts)
    except LibraryUnavailable:
        stored = calibrated()
        if stored is None:
            raise
        library.recognise(model_layouts, context_layouts, stored)
    library.start()
    return library


def bind(files: Files) -> SimpleNamespace:
    """Binds all functions of the tables, with their types. Every missing needed one is named in one
    LibraryUnavailable."""
    api, missing = bound(files.find, (*LLAMA, *GGML))
    missing += [" / ".join(group) for group in ONE_OF if not any(getattr(api, name) for name in group)]
    if missing:
        raise FunctionsMissing("library.functions_missing", file=str(files.path), names=", ".join(missing))
    api.has_old_model_load = files.find("llama_model_load_from_file") is None
    api.has_old_log_levels = files.find("ggml_backend_load") is None and api.has_old_model_load
    return api
