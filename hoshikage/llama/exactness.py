"""Which ways to share a decode give the same bits as a lone run, as measured. Data; engine thread.

`scripts/models.py --equality` compares answers; where all of them agree and the log probabilities do to the bit, the
release has a row here. Several answers at once and kept beginnings have none on any release.
"""

from __future__ import annotations

from typing import Final

from hoshikage.errors import Unavailable
from hoshikage.llama.load_fields import sees_gpu
from hoshikage.llama.model import Model
from hoshikage.params import LoadParams

EXACT_GUESSES: Final[frozenset[tuple[str, str]]] = frozenset({("v0.5.0", "auto")})
"""Release and FLASH_ATTN where a token that is decoded together with guesses has the bits of one decoded alone."""


def require_deterministic(model: Model, params: LoadParams) -> None:
    """Raises Unavailable where DETERMINISTIC=on cannot be kept: on a GPU sums depend on what else it computes."""
    if params.deterministic and sees_gpu(model.library) and params.n_gpu_layers != 0:
        raise Unavailable("engine.deterministic_gpu")


def may_guess(model: Model, params: LoadParams) -> bool:
    """Whether tokens may be guessed ahead: always, but for DETERMINISTIC=on on releases that are not exact."""
    release = model.library.info().version
    f16 = (params.type_k, params.type_v) == ("f16", "f16")
    return not params.deterministic or (f16 and (release, params.flash_attn) in EXACT_GUESSES)
