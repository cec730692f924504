"""Loads a model without its weights: its vocabulary and metadata are enough to count and to write prompts. Engine
thread."""

from __future__ import annotations

from collections.abc import Callable

from hoshikage import wire
from hoshikage._ffi.library import Library
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.tasks import Tasks
from hoshikage.infos import ModelInfo
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.model import Model
from hoshikage.llama.templates import Templates
from hoshikage.params import LoadParams


class Vocabulary:
    """Performs every `params.WordTask`, without a context."""

    def __init__(self, model: Model, params: LoadParams, cancels: Cancels, emit: Callable[[wire.Event], None]) -> None:
        """Raises ModelLoadFailed where the model has no template of the name that the parameters ask for."""
        self._model = model
        model.vocab.set_types(params.controls)
        self._templates = Templates(model, params)
        self.tasks = Tasks(model, self._templates, params, Adapters(model, params), cancels, emit)

    @classmethod
    def open(
        cls, library: Library, params: LoadParams, cancels: Cancels, emit: Callable[[wire.Event], None]
    ) -> Vocabulary:
        """Loads the vocabulary. Raises ModelLoadFailed, NotSupported."""
        model = Model.load_vocabulary(library, params.model_path)
        try:
            return cls(model, params, cancels, emit)
        except BaseException:
            model.close()
            raise

    def info(self, load_ms: float) -> ModelInfo:
        model = self._model
        return ModelInfo(
            description=model.description,
            n_params=0,
            size_bytes=0,
            n_ctx_train=model.n_ctx_train,
            n_ctx=0,
            n_vocab=model.vocab.n_tokens,
            bos_token=model.vocab.text(model.vocab.bos),
            eos_token=model.vocab.text(model.vocab.eos),
            template_source=self._templates.source_name,
            load_ms=load_ms,
            purposes=(),
        )

    def close(self) -> None:
        self.tasks.close()
        self._model.close()
