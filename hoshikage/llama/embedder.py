"""Makes one vector, or one score, of a text, in a context of its own. Used in the engine thread.

Releases after b8390 keep room for a text's logits that nobody computes, tokens × vocabulary × 4 bytes of it, written
over with zeros: a model of 250,000 tokens takes 1 MiB for each token of the longest text, until its context is closed.
Which tokens are outputs changes nothing: an encoder's all are.

Vectors are taken token by token and pooled here: the library's own mean pooling makes b3995, b6301, b10361 and v0.5.0
abort() on a model made for text. Only a score needs the library's pooling, which runs the model's classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hoshikage._ffi.memory import floats_at
from hoshikage.cores import is_busy, threads
from hoshikage.errors import InferenceFailed, InvalidRequest
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.context import Context
from hoshikage.llama.kinds import LAST, MEAN, NONE, RANK, looks_both_ways, pooling_of
from hoshikage.llama.kv_types import require_blocks
from hoshikage.llama.load_fields import context_fields, window_fields
from hoshikage.llama.model import Model
from hoshikage.params import AdapterSet, LoadParams

Vector = NDArray[np.float32]
OUTPUTS: Final = ("n_outputs_max", "n_outputs_max_per_seq")


class Embedder:
    """An embedder is closed before its model."""

    def __init__(self, context: Context, adapters: Adapters, pooling: int, n_usual: int) -> None:
        """The model's memory is estimated for a batch of `n_usual` tokens."""
        self._context = context
        self._adapters = adapters
        self._n_usual = n_usual
        self.has_outgrown = False
        """`has_outgrown` tells whether it computed more tokens at once than that, and holds more memory than is
        estimated."""
        self._pooling = pooling
        self._n_embd = context.model.n_embd
        api = context.model.library.api
        self._of_token = api.llama_get_embeddings_ith
        self._of_sequence = api.llama_get_embeddings_seq
        self.abort = context.abort
        self._whole = _is_whole(context.model, pooling)
        self.longest = context.n_batch if self._whole else context.n_ctx
        """One text has so many tokens at most."""

    @classmethod
    def open(cls, model: Model, params: LoadParams, adapters: Adapters) -> Embedder:
        """Opens an embedder; its texts name their adapters. Raises NotSupported, OutOfMemory, ModelLoadFailed."""
        library = model.library
        library.require("embeddings")
        pooling = pooling_of(model)
        n_ctx = params.fitting_ctx(model.n_ctx_train)
        n_batch = n_ctx if _is_whole(model, pooling) else min(params.n_batch, n_ctx)
        n_threads = threads(params.n_threads, busy=is_busy())
        fields = {
            "n_ctx": n_ctx,
            "n_batch": n_batch,
            "n_ubatch": n_batch,
            "n_seq_max": 1,
            "n_threads": n_threads,
            "n_threads_batch": n_threads,
            "embeddings": 1,
            "pooling_type": RANK if pooling == RANK else NONE,
            **{name: n_batch for name in OUTPUTS if name in library.fields},
            **context_fields(library, params),
            **window_fields(library, whole=False),
        }
        require_blocks(model, params)
        context = Context.open_with(model, fields)
        context.params = params
        return cls(context, adapters, pooling, params.n_batch)

    @property
    def ranks(self) -> bool:
        """Tells whether the model is made to score, and not to embed."""
        return self._pooling == RANK

    def embed(
        self,
        tokens: Sequence[int],
        dimensions: int | None,
        on_progress: Callable[[int], None],
        adapters: AdapterSet | None = None,
    ) -> Vector | None:
        """Returns the text's vector, of length 1; None where the abort flag is set. At most `longest` tokens, at least
        one.

        `dimensions`: so many of its first numbers; None is all. `on_progress` is told how many tokens are computed.
        It is computed with these `adapters`; None is the model's usual ones. Raises InvalidRequest, NotSupported,
        InferenceFailed.
        """
        context = self._context
        parts = self._parts(tokens, adapters)
        context.clear()
        total: NDArray[np.float32] = np.zeros(self._n_embd, np.float32)
        last = len(tokens) - 1
        for used, begin, end in parts:
            self._adapters.use(context, used)
            for start in range(begin, end, context.n_batch):
                wanted = []
                context.batch.clear()
                for position, token in enumerate(tokens[start : min(start + context.n_batch, end)], start):
                    index = context.batch.add(token, position, 0, True)
                    if self._pooling == MEAN or position == (last if self._pooling == LAST else 0):
                        wanted.append(index)
                if not self._decode():
                    return None
                for index in wanted:
                    total += self._vector(index)
                on_progress(min(start + context.n_batch, end))
        total = total[:dimensions]
        length = float(np.linalg.norm(total))
        if not np.isfinite(length):
            raise context.not_numbers()
        return total / np.float32(length) if length else total

    def score(self, tokens: Sequence[int], adapters: AdapterSet | None = None) -> float | None:
        """Returns what the model's classifier says of the text; None where the abort flag is set.

        `adapters` are as for `embed`. Raises InvalidRequest, NotSupported, InferenceFailed.
        """
        context = self._context
        ((used, _, _),) = self._parts(tokens, adapters)
        self._adapters.use(context, used)
        context.clear()
        context.batch.clear()
        for position, token in enumerate(tokens):
            context.batch.add(token, position, 0, True)
        if not self._decode():
            return None
        address: int | None = self._of_sequence(context.pointer, 0)
        if address is None:
            raise InferenceFailed("engine.no_embedding")
        return float(floats_at(address, 1)[0])

    def close(self) -> None:
        self._context.close()

    def _parts(self, tokens: Sequence[int], adapters: AdapterSet | None) -> list[tuple[AdapterSet, int, int]]:
        """Returns what the text is computed with, and from where to where: an aLoRA is active from its invocation on.

        Raises InvalidRequest where it would begin within a text that must be computed at once, NotSupported.
        """
        used, before, place = self._adapters.woken(self._adapters.usual if adapters is None else adapters, tokens)
        if not place:
            return [(used, 0, len(tokens))]
        if self._whole:
            raise InvalidRequest("engine.alora_within", param="model")
        return [(before, 0, place), (used, place, len(tokens))]

    def _decode(self) -> bool:
        self.has_outgrown |= self._context.batch.n_tokens > self._n_usual
        return self._context.decode()

    def _vector(self, index: int) -> Vector:
        address: int | None = self._of_token(self._context.pointer, index)
        if address is None:
            raise InferenceFailed("engine.no_embedding")
        return floats_at(address, self._n_embd)


def _is_whole(model: Model, pooling: int) -> bool:
    """Returns whether the model must see a text in one piece: one that looks in both directions must, and a
    classifier."""
    return pooling == RANK or looks_both_ways(model)
