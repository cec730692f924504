"""Judges whether DETERMINISTIC=on can be kept. Engine thread."""

from __future__ import annotations

from hoshikage.errors import Unavailable
from hoshikage.llama.load_fields import sees_gpu
from hoshikage.llama.model import Model
from hoshikage.params import LoadParams


def require_deterministic(model: Model, params: LoadParams) -> None:
    """Raises Unavailable where DETERMINISTIC=on cannot be kept: on a GPU sums depend on what else it computes."""
    if params.deterministic and sees_gpu(model.library) and params.n_gpu_layers != 0:
        raise Unavailable("engine.deterministic_gpu")
