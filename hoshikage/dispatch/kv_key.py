"""Tells which loads may go on from each other's states: those of one library, model and settings. Any thread;
blocking."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from hoshikage import gguf, kv_file
from hoshikage.params import LoadParams

if TYPE_CHECKING:
    from hoshikage.library.selection import SelectedLibrary

WITHOUT_EFFECT: Final = frozenset(
    {
        "model_path",  # its content counts
        "n_batch", "n_threads", "n_threads_batch", "use_mmap", "use_mlock", "require_gpu",  # how fast it is
        "kv_reuse", "checkpoint_tokens", "speculation", "draft_path", "vocab_only",  # which tokens are computed when
        "context_overflow",
        "chat_template", "template_name", "controls",  # which tokens a prompt has
    }
)  # fmt: skip
"""These fields of LoadParams change nothing of what a state holds. All others do, those to come included."""


def key_of(choice: SelectedLibrary, params: LoadParams) -> str:
    """Returns the same text for loads whose states can stand for one another, in hexadecimal. Raises. OSError where a
    file is not there."""
    files = [*gguf.files(Path(params.model_path)), *map(Path, _beside(params))]
    settings = {name: getattr(params, name) for name in params.__struct_fields__ if name not in WITHOUT_EFFECT}
    parts = {
        "format": kv_file.MAGIC.decode(),
        "library": choice.fingerprint,
        "release": choice.release,
        "devices": [[device.name, device.kind] for device in choice.devices],
        "files": [kv_file.identity(file) for file in files],
        "settings": settings,
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:32]


def _beside(params: LoadParams) -> list[str]:
    """Lists what is computed with beside the model: of a picture, the state has what the projector made of it."""
    projector = [params.mmproj] if params.mmproj else []
    return [*projector, *(path for path, _ in (*params.lora, *params.control_vectors))]
