"""Projectors make pictures and sounds into what a model reads; this is what their files tell. Any thread; blocking."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hoshikage.errors import GgufInvalid
from hoshikage.gguf.header import PROJECTOR, GgufHeader
from hoshikage.gguf.parts import read_chat_model
from hoshikage.gguf.reader import read

NAMED: Final = "mmproj"
"""Stands in the names of their files."""
MAX_BESIDE: Final = 64
"""So many models of a folder are looked into for whom its projector is."""


def require_projector(file: Path) -> GgufHeader:
    """Returns the projector's header. Raises GgufInvalid for a file that is none."""
    header = read(file)
    if header.architecture != PROJECTOR:
        raise GgufInvalid("model.mmproj_kind", file=str(file), architecture=header.architecture)
    return header


def projector_bytes(file: str | None) -> int:
    """Returns about how many bytes of the memory it takes; 0 where there is none."""
    try:
        return Path(file).stat().st_size if file else 0
    except OSError:  # the load says that it is not there
        return 0


def reads_images(header: GgufHeader) -> bool:
    """Returns whether the projector makes something of pictures; the first ones did not say what they are for."""
    return header.values.get("clip.has_vision_encoder", not reads_audio(header)) is True


def reads_audio(header: GgufHeader) -> bool:
    """Returns whether it makes something of sounds."""
    return header.values.get("clip.has_audio_encoder") is True


def projectors_beside(model: Path) -> list[Path]:
    """Lists the projectors that lie in the model's folder, by their names."""
    try:
        names = sorted(one.name for one in model.parent.iterdir() if is_projector(one.name))
    except OSError:
        return []
    return [model.with_name(name) for name in names]


def is_projector(name: str) -> bool:
    """Returns whether a file's name says so: everyone who makes them names them so."""
    return name.lower().endswith(".gguf") and NAMED in name.lower()


def projector_of(model: Path, header: GgufHeader) -> Path | None:
    """Returns the one projector of the model's folder; None where there are several, where it is none, and where it may
    be another model's: a model of another kind lies there, too."""
    beside = projectors_beside(model)
    if len(beside) != 1:
        return None
    others = [one for one in model.parent.iterdir() if one.name.lower().endswith(".gguf") and one not in beside]
    if len(others) > MAX_BESIDE:
        return None
    try:
        require_projector(beside[0])
        is_for_all = all(_is_alike(other, header) for other in others)
    except GgufInvalid:
        return None
    return beside[0] if is_for_all else None


def _is_alike(other: Path, header: GgufHeader) -> bool:
    """Returns whether the file is of the same model, such as another of its quantisations; a file that cannot be
    registered is nobody's."""
    try:
        its = read_chat_model(other)
    except GgufInvalid:
        return True
    width = its.values.get(f"{its.architecture}.embedding_length")
    return its.architecture == header.architecture and width == header.values.get(
        f"{header.architecture}.embedding_length"
    )
