"""Places the fields of a parameter struct that is in no table, by what setting them does. One thread.

A field is written into every place that the default bytes allow, one at a time, and it stands where the library then
shows the value: a getter says it, a log line names it, a callback is called. Everything else that can be seen must stay
as it was, exactly one place may pass, and what was found must stand in the order of a known layout. A wrong place may
crash the process; the journal keeps what was tried, so that the next process goes on behind it.
"""

from __future__ import annotations

import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol

from hoshikage._ffi.callbacks import AbortFlag, AbortProbe, ProgressReporter
from hoshikage._ffi.images import Patch, patched_at
from hoshikage._ffi.layout import Calibrated, Layout
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, FIELDS, MODEL_LAYOUTS
from hoshikage._ffi.library import Library
from hoshikage._ffi.recognition import DefaultImage, Unrecognised, recognise
from hoshikage.lab.handshake import LAST_POOLING, NO_GPU_LINE, NO_SUCH_GPU, LogTap, fill
from hoshikage.lab.placement import Uncalibrated, layout_of, window
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model

NEAR: Final = 16
"""main_gpu stands at most this far behind split_mode; a number written into a pointer ends the process."""

NEEDED_OF_MODEL: Final = ("progress_callback", "progress_callback_user_data")
NEEDED_OF_CONTEXT: Final = (
    "n_ctx",
    "n_batch",
    "n_ubatch",
    "n_seq_max",
    "n_threads",
    "n_threads_batch",
    "abort_callback",
    "abort_callback_data",
)
"""A library without these is refused. The others are left at the library's defaults where they cannot be placed."""

GETTERS: Final = ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_threads", "n_threads_batch", "pooling_type")
VALUES: Final = {"n_ctx": 1536, "n_batch": 160, "n_ubatch": 80, "n_seq_max": 3, "n_threads": 3, "n_threads_batch": 2}
"""None of these values is a default, and no release rounds them, as in the handshake."""
SMALL: Final = {"n_ctx": 512, "n_batch": 64, "n_ubatch": 64, "n_threads": 1, "n_threads_batch": 1}
LINES: Final[Mapping[str, tuple[str, Mapping[int | float, str]]]] = {
    "rope_freq_base": (r"\bfreq_base\s*= ([0-9.]+)", {12345.0: "12345.0", 23456.0: "23456.0"}),
    "rope_freq_scale": (r"\bfreq_scale\s*= ([0-9.]+)", {0.5: "0.5", 0.25: "0.25"}),
    "type_k": (r"\bK \((\w+)\)", {0: "f32"}),
    "type_v": (r"\bV \((\w+)\)", {0: "f32"}),
    "flash_attn_type": (r"\bflash_attn\s*= (\w+)", {0: "disabled", 1: "enabled"}),
    "kv_unified": (r"\bkv_unified\s*= (\w+)", {1: "true"}),
}
"""Maps a field of the context to the log line that shows it, and what it says for which value."""
READING: Final = r"\bload_mode = (\w+)"
MAPPING: Final = r"\bmmap = (\w+)"
DIRECT: Final = r"\bdirect_io = (\w+)"
OFFLOADED: Final = r"\boffloaded (\d+)/\d+ layers to GPU"

Places = dict[str, int]
"""Places give each field's offset in the structure."""
Seen = tuple[object, ...]


class Journal(Protocol):
    """A Journal remembers what was tried, also what ended its process."""

    def attempt(self, name: str, run: Callable[[], bool]) -> bool:
        """Returns what `run` does, or what is known of `name` from before; False for what ended a process."""


def calibrate(
    library: Library,
    log: LogTap,
    model_path: str,
    journal: Journal,
    *,
    model_layouts: Sequence[Layout] = MODEL_LAYOUTS,
    context_layouts: Sequence[Layout] = CONTEXT_LAYOUTS,
) -> Calibrated:
    """Finds the layouts of the structs that are in no table. Raises Uncalibrated.

    `library` is bound and started, not recognised.
    """
    tools = (library, log, model_path, journal)
    return Calibrated(
        ModelStruct(*tools, model_layouts).layout() if _unknown(library.model_default, model_layouts) else None,
        _ContextStruct(*tools, context_layouts).layout()
        if _unknown(library.context_default, context_layouts)
        else None,
    )


def _unknown(image: DefaultImage, known: Sequence[Layout]) -> bool:
    try:
        recognise(image, known)
    except Unrecognised:
        return True
    return False


class Struct(ABC):
    """This is the search in one struct. `places` grows with every field that is found."""

    needed: tuple[str, ...]

    def __init__(
        self,
        library: Library,
        log: LogTap,
        model_path: str,
        journal: Journal,
        known: Sequence[Layout],
        image: DefaultImage,
    ) -> None:
        if image.written is None:
            raise Uncalibrated("written bytes cannot be seen on this platform")
        self.library, self.log, self.model_path, self.known = library, log, model_path, known
        self.places: Places = {}
        self._journal = journal
        self._image, self._written = image, image.written

    def layout(self) -> Layout:
        self.search()
        missing = [name for name in self.needed if name not in self.places]
        if missing:
            raise Uncalibrated(f"no place for {', '.join(missing)}")
        return layout_of(self.places, max(self._written) + 1, self.known)

    @abstractmethod
    def search(self) -> None:
        """Finds the fields, each with `place`. Raises Uncalibrated."""

    def place(self, name: str, shows: Callable[[int], bool], offsets: Iterable[int] | None = None) -> None:
        """Remembers where the field stands: the one offset at which `shows`. Raises Uncalibrated where there are
        two."""
        if not any(name in layout.offsets() for layout in self.known):
            return  # what it does is not known either
        candidates = self.candidates(name) if offsets is None else offsets
        result = [at for at in candidates if self._journal.attempt(f"{name}@{at}", partial(shows, at))]
        if len(result) > 1:
            raise Uncalibrated(f"{name} could stand at {' or '.join(map(str, result))}")
        if result:
            self.places[name] = result[0]

    def candidates(self, name: str) -> list[int]:
        """Returns the offsets where the written bytes hold a default of the field, in the known order, and nothing has
        been found."""
        field = FIELDS[name]
        minimum, maximum = window(name, self.places, self.known)
        taken = {byte for other, at in self.places.items() for byte in range(at, at + FIELDS[other].size)}
        free = self._written - taken
        return [
            at
            for at in range(0, max(self._written) + 1, field.size)
            if minimum < at < maximum
            and free.issuperset(range(at, at + field.size))
            and self.value(name, at) in field.defaults
        ]

    def flags(self, name: str) -> list[int]:
        """Lists the candidates for a bool that is 0 by default: beside one that is 1, where bools stand together."""
        blocks = {at // 8 for at in self.candidates("use_mmap")}
        return [at for at in self.candidates(name) if at // 8 in blocks]

    def value(self, name: str, at: int) -> float:
        (value,) = struct.unpack_from(FIELDS[name].code.replace("?", "B"), self._image.data, at)
        number: float = value
        return number

    def patches(self, values: Mapping[str, float], at: Mapping[str, int] | None = None) -> list[Patch]:
        """Makes patches for fields that have been found, or for a field at the place that is tried."""
        places = {**self.places, **(at or {})}
        return [Patch(places[name], FIELDS[name].code, value) for name, value in values.items()]


class ModelStruct(Struct):
    """A ModelStruct is the structure that a model is loaded by, while its layout is worked out."""

    needed = NEEDED_OF_MODEL

    def __init__(
        self, library: Library, log: LogTap, model_path: str, journal: Journal, known: Sequence[Layout]
    ) -> None:
        super().__init__(library, log, model_path, journal, known, library.model_default)

    def search(self) -> None:
        self.place("progress_callback", self._is_called)
        if "progress_callback" in self.places:
            self.place("progress_callback_user_data", self._gets_data)
        self.place("load_mode", lambda at: self._says(at, "load_mode", READING, {0: "none", 1: "mmap"}))
        if "load_mode" not in self.places:
            self.place("use_direct_io", lambda at: self._says(at, "use_direct_io", DIRECT, {0: "false", 1: "true"}))
            self.place("use_mmap", lambda at: self._says(at, "use_mmap", MAPPING, {0: "false", 1: "true"}))
        self._place_gpu()
        self.place("n_gpu_layers", lambda at: self._says(at, "n_gpu_layers", OFFLOADED, {1: "1", 2: "2"}))

    def _place_gpu(self) -> None:
        """Places split_mode and main_gpu, which show together: a GPU that is not there is refused by its number."""
        pairs = [
            (split, gpu)
            for split in self.candidates("split_mode")
            for gpu in self.candidates("main_gpu")
            if split < gpu <= split + NEAR
            if self._journal.attempt(f"split_mode@{split} main_gpu@{gpu}", partial(self._refuses, split, gpu))
        ]
        if len(pairs) > 1:
            raise Uncalibrated(f"main_gpu could stand at {' or '.join(str(gpu) for _, gpu in pairs)}")
        for split, gpu in pairs:
            self.places |= {"split_mode": split, "main_gpu": gpu}

    def _refuses(self, split: int, gpu: int) -> bool:
        values = {"split_mode": 0, "main_gpu": NO_SUCH_GPU}
        loaded = self._load(self.patches(values, {"split_mode": split, "main_gpu": gpu}))
        return not loaded and self.log.values(NO_GPU_LINE) == [str(NO_SUCH_GPU)]

    def _is_called(self, at: int) -> bool:
        reported: list[float] = []

        def report(value: float) -> bool:
            reported.append(value)
            return True

        progress = ProgressReporter(report)
        loaded = self._load(self.patches({"progress_callback": progress.address}, {"progress_callback": at}))
        return loaded and reported[-1:] == [1.0] and min(reported) >= 0 and progress.user_data_seen is None

    def _gets_data(self, at: int) -> bool:
        progress = ProgressReporter(lambda _value: True)
        values = {"progress_callback": progress.address, "progress_callback_user_data": progress.user_data}
        loaded = self._load(self.patches(values, {"progress_callback_user_data": at}))
        return loaded and progress.user_data_seen == progress.user_data

    def _says(self, at: int, name: str, pattern: str, expected: Mapping[int, str]) -> bool:
        """Each value is named by the log, and loads."""
        direct = {"use_direct_io": 0} if name == "use_mmap" and "use_direct_io" in self.places else {}
        for value, says in expected.items():
            if not self._load(self.patches({**direct, name: value}, {name: at})):
                return False
            if self.log.values(pattern)[:1] != [says]:
                return False
        return True

    def _load(self, patches: Iterable[Patch]) -> bool:
        self.log.lines.clear()
        api = self.library.api
        pointer = api.llama_model_load_from_file(os.fsencode(self.model_path), patched_at(self._image, patches))
        if pointer is not None:
            api.llama_model_free(pointer)
        return pointer is not None


class _ContextStruct(Struct):
    needed = NEEDED_OF_CONTEXT

    def __init__(
        self, library: Library, log: LogTap, model_path: str, journal: Journal, known: Sequence[Layout]
    ) -> None:
        super().__init__(library, log, model_path, journal, known, library.context_default)
        pointer = library.api.llama_model_load_from_file(os.fsencode(model_path), patched_at(library.model_default, ()))
        if pointer is None:
            raise Uncalibrated("the model does not load with the library's own defaults")
        self._model = Model(library, pointer)

    def search(self) -> None:
        try:
            self._search()
        finally:
            self._model.close()

    def _search(self) -> None:
        usual = self._getters({})
        if usual is None:
            raise Uncalibrated("no context opens with the library's own defaults")
        self.place("n_ctx", lambda at: self._gets("n_ctx", at))
        if "n_ctx" not in self.places:
            return
        for name in ("n_batch", "n_ubatch", "n_seq_max", "n_threads", "n_threads_batch"):
            self.place(name, partial(self._gets, name))
        if any(name not in self.places for name in SMALL):
            return
        self.place("pooling_type", self._pools)
        usual_lines = self._lines({})
        for name, (_, expected) in LINES.items():
            offsets = self.flags(name) if FIELDS[name].format == "?" else None
            self.place(name, partial(self._shows, name, expected, usual_lines), offsets)
        self.place("abort_callback", self._aborts)
        if "abort_callback" in self.places:
            self.place("abort_callback_data", self._gets_data)
        if "pooling_type" in self.places:
            self.place("embeddings", self._embeds, self.flags("embeddings"))

    def _gets(self, name: str, at: int) -> bool:
        """The getter says the value, and the others say what follows from it or what they said before."""
        base = {"n_ctx": VALUES["n_ctx"]} if name != "n_ctx" else {}
        expected = {each: FIELDS[each].defaults[-1] for each in VALUES} | {**base, name: VALUES[name]}
        expected["n_batch"] = min(expected["n_ctx"], expected["n_batch"])
        expected["n_ubatch"] = min(expected["n_batch"], expected["n_ubatch"])
        result = self._getters({**base, name: VALUES[name]}, {name: at})
        return result is not None and all(result[each] == value for each, value in expected.items())

    def _pools(self, at: int) -> bool:
        before, result = (
            self._getters(SMALL),
            self._getters({**SMALL, "pooling_type": LAST_POOLING}, {"pooling_type": at}),
        )
        return before is not None and result == {**before, "pooling_type": LAST_POOLING}

    def _shows(self, name: str, expected: Mapping[int | float, str], usual: Seen | None, at: int) -> bool:
        """The log line says each value; the other lines and the getters are as without it."""
        index = list(LINES).index(name)
        for value, says in expected.items():
            result = self._lines({name: value}, {name: at})
            if result is None or usual is None or result[index] != says:
                return False
            if any(a != b for i, (a, b) in enumerate(zip(result, usual, strict=True)) if i != index):
                return False
        return True

    def _aborts(self, at: int) -> bool:
        """Returns whether the function is called while decoding, with NULL for its data. An evaluation callback in its
        place would get a tensor."""
        probe = AbortProbe()
        decoded = self._decodes({**SMALL, "abort_callback": probe.address}, {"abort_callback": at})
        return decoded and probe.calls > 0 and probe.user_data_seen is None

    def _gets_data(self, at: int) -> bool:
        probe = AbortProbe()
        values = {**SMALL, "abort_callback": probe.address, "abort_callback_data": probe.user_data}
        return self._decodes(values, {"abort_callback_data": at}) and probe.user_data_seen == probe.user_data

    def _embeds(self, at: int) -> bool:
        def has_embeddings(value: int) -> bool:
            fields = {**SMALL, "pooling_type": LAST_POOLING, "embeddings": value}
            with self._opened(fields, {"embeddings": at}) as pointer:
                if pointer is None:
                    return not value
                self._decode(pointer)
                return bool(self.library.api.llama_get_embeddings_seq(pointer, 0))

        return has_embeddings(1) and not has_embeddings(0)

    def _getters(self, values: Mapping[str, float], at: Mapping[str, int] | None = None) -> dict[str, int] | None:
        with self._opened(values, at) as pointer:
            api = self.library.api
            return None if pointer is None else {name: getattr(api, f"llama_{name}")(pointer) for name in GETTERS}

    def _lines(self, values: Mapping[str, float], at: Mapping[str, int] | None = None) -> Seen | None:
        """Returns what the log says of each of LINES, then what the getters say."""
        self.log.lines.clear()
        getters = self._getters({**SMALL, **values}, at)
        if getters is None:
            return None
        said = [(self.log.values(pattern) or [""])[0] for pattern, _ in LINES.values()]
        return (*said, *getters.values())

    def _decodes(self, values: Mapping[str, float], at: Mapping[str, int]) -> bool:
        with self._opened(values, at) as pointer:
            return pointer is not None and self._decode(pointer)

    def _decode(self, pointer: int) -> bool:
        context = Context(self._model, pointer, AbortFlag(), SMALL["n_ctx"], SMALL["n_batch"])
        try:
            fill(context, self._model)
            return context.decode_code() == 0
        finally:
            context.consume()  # _opened frees it

    @contextmanager
    def _opened(self, values: Mapping[str, float], at: Mapping[str, int] | None = None) -> Iterator[int | None]:
        api = self.library.api
        pointer = api.llama_init_from_model(self._model.pointer, patched_at(self._image, self.patches(values, at)))
        try:
            yield pointer
        finally:
            if pointer is not None:
                api.llama_free(pointer)
