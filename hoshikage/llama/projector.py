"""Owns one mtmd_context; makes of a picture or a sound what the model reads. Used in the engine thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hoshikage._ffi.handles import Owner
from hoshikage._ffi.mtmd import Mtmd
from hoshikage.errors import GgufInvalid, InferenceFailed, InvalidRequest, ModelLoadFailed
from hoshikage.gguf import require_projector
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.llama.pictures import picture
from hoshikage.llama.sounds import sound
from hoshikage.params import LoadParams, Medium

TEXT = 0
"""This is mtmd.h's MTMD_INPUT_CHUNK_TYPE_TEXT."""
NOT_PREPROCESSED = 2
"""mtmd_tokenize returns this for a picture that it can make nothing of."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece is a part of what a medium becomes: tokens, or what is computed by `Projector.show`."""

    tokens: tuple[int, ...]
    """`tokens` is empty for what is computed."""
    pointer: int = 0
    """`pointer` is the mtmd_input_chunk; it lives as long as its `Shown`."""
    n_tokens: int = 0
    n_positions: int = 0
    """`n_positions` is how far the text's position goes on: with M-RoPE, less than its tokens."""


class Shown(Owner):
    """This is what one medium has become. It keeps its projector alive."""

    def __init__(self, projector: Projector, pointer: int, mtmd: Mtmd) -> None:
        api = mtmd.api
        super().__init__(pointer, api.mtmd_input_chunks_free)
        self._projector = projector
        chunks = (api.mtmd_input_chunks_get(pointer, at) for at in range(api.mtmd_input_chunks_size(pointer)))
        self.pieces = tuple(_piece(mtmd, chunk) for chunk in chunks)


def _piece(mtmd: Mtmd, chunk: int) -> Piece:
    api = mtmd.api
    if api.mtmd_input_chunk_get_type(chunk) == TEXT:
        return Piece(tuple(mtmd.text_tokens(chunk)))
    return Piece((), chunk, api.mtmd_input_chunk_get_n_tokens(chunk), api.mtmd_input_chunk_get_n_pos(chunk))


class Projector(Owner):
    """A projector is closed, and all that it has shown, before its model."""

    def __init__(self, model: Model, mtmd: Mtmd, pointer: int) -> None:
        api = mtmd.api
        super().__init__(pointer, api.mtmd_free)
        self._model = model
        self._mtmd = mtmd
        self.images = bool(api.mtmd_support_vision(pointer))
        hears = api.mtmd_support_audio is not None and api.mtmd_bitmap_init_from_audio is not None
        self._rate = int(api.mtmd_get_audio_sample_rate(pointer)) if hears and api.mtmd_support_audio(pointer) else 0
        self.audio = self._rate > 0

    @property
    def lacks_packages(self) -> bool:
        """Tells whether what decodes the files that it could read is not installed."""
        needed = (("PIL", self.images), ("miniaudio", self.audio))
        return any(is_needed and find_spec(name) is None for name, is_needed in needed)

    @classmethod
    def open(cls, model: Model, params: LoadParams, n_threads: int) -> Projector:
        """Loads params.mmproj for this model. Raises ModelLoadFailed with the library's words, or NotSupported."""
        library, path = model.library, params.mmproj
        mtmd = library.media()
        try:
            require_projector(Path(path))
        except GgufInvalid as error:
            raise ModelLoadFailed.of(error.key, error.details) from None
        with_gpu = int(params.n_gpu_layers != 0)
        fields = {"use_gpu": with_gpu, "print_timings": 0, "n_threads": n_threads, "verbosity": 4, "warmup": with_gpu}
        library.log_lines.errors = []
        pointer: int | None = mtmd.api.mtmd_init_from_file(os.fsencode(path), model.pointer, mtmd.params(fields))
        if pointer is None:
            reason = " / ".join(library.log_lines.errors[-3:]) or "-"
            raise ModelLoadFailed("engine.projector_refused", path=path, reason=reason)
        return cls(model, mtmd, pointer)

    def shown(self, medium: Medium) -> Shown:
        """Decodes the file and makes its tokens; nothing is computed yet. Raises InvalidRequest, NotSupported."""
        if not (self.audio if medium.kind == "audio" else self.images):
            raise InvalidRequest(f"media.no_{medium.kind}", param="messages", place="messages")
        mtmd = self._mtmd
        api = mtmd.api
        if medium.kind == "audio":
            samples = sound(medium.data, self._rate)
            bitmap = api.mtmd_bitmap_init_from_audio(samples.size, samples.ctypes.data)
        else:
            pixels = picture(medium.data)
            height, width, _ = pixels.shape
            bitmap = api.mtmd_bitmap_init(width, height, pixels.ctypes.data)
        chunks = api.mtmd_input_chunks_init()
        try:
            self._model.library.log_lines.errors = []
            code = mtmd.tokenize(self.pointer, chunks, bitmap)
            if code:
                reason = " / ".join(self._model.library.log_lines.errors[-3:]) or "-"
                refused = InvalidRequest if code == NOT_PREPROCESSED else InferenceFailed
                raise refused("engine.medium_refused", param="messages", code=code, reason=reason)
        except BaseException:
            api.mtmd_input_chunks_free(chunks)
            raise
        finally:
            api.mtmd_bitmap_free(bitmap)
        return Shown(self, chunks, mtmd)

    def show(self, context: Context, piece: Piece, position: int, seq_id: int) -> bool:
        """Computes a piece into the context's memory, its first token at `position`. False: it was aborted.

        Raises KvMemoryFull, InferenceFailed; after those, and where it was aborted, some of it may be in memory.
        """
        api = self._mtmd.api
        if code := api.mtmd_encode_chunk(self.pointer, piece.pointer):
            raise InferenceFailed("engine.medium_failed", code=code)
        embeddings = api.mtmd_get_output_embd(self.pointer)
        place = (position, seq_id)
        return context.decoded(
            self._mtmd.decode(self.pointer, context.pointer, piece.pointer, embeddings, place, context.n_batch)
        )

    def must_fit(self, piece: Piece) -> bool:
        """Whether its tokens look at each other in both directions, and so must be computed in one decode."""
        return bool(self._mtmd.api.mtmd_decode_use_non_causal(self.pointer, piece.pointer))
