"""Says why a set made for a GPU computes on the CPU or ends its process, by what its files and the cards say. Any
thread; blocking, loads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from hoshikage.infos import DeviceInfo
from hoshikage.library import binary, card_code, cards, contents, fingerprint
from hoshikage.library.dependencies import Lack
from hoshikage.library.image import Damaged

GPU_KINDS: Final = ("gpu", "igpu")
CUDA_FILE: Final = re.compile(r"(lib)?ggml-cuda\b.*\.(so|dll)", re.IGNORECASE)
REFUSED: Final = re.compile(r"CUDA error: .{3,}|vk::\w*Error.*|ErrorInitializationFailed|ErrorOutOfDeviceMemory")
"""A backend says by these words why a card does not compute."""
OF_STDCXX: Final = "_ZSt4cout"
"""This is std::cout: only the C++ library itself defines it."""


def idle(file: Path, devices: Sequence[DeviceInfo]) -> Iterator[Lack]:
    """Yields what keeps a GPU backend of this set from computing; nothing where it computes, or where there is none."""
    made_for = [name for name in contents.backends(file.parent) if name in contents.GPU_BACKENDS]
    if not made_for:
        return
    if lack := without_code(file):
        yield lack
    elif not any(device.kind in GPU_KINDS for device in devices):
        yield Lack("lacks.gpu_idle", file, {"path": str(file.parent), "backends": ", ".join(made_for)})


def cards_of(file: Path) -> str:
    """Returns what the set's CUDA backend has code for, as CardCode.words; empty where it has none."""
    for path in fingerprint.members(file):
        if CUDA_FILE.fullmatch(path.name):
            with suppress(OSError):
                code = card_code.read(path)
                return "" if code is None else code.words
    return ""


def without_code(file: Path) -> Lack | None:
    """Returns the lack where the set's CUDA backend has no code for a card of this machine; None where it has, or
    nothing is known."""
    result, cuda = cards.seen()
    if not result:
        return None
    for path in fingerprint.members(file):
        if CUDA_FILE.fullmatch(path.name) and (code := card_code.read(path)) is not None:
            missing = [card for card in result if not code.runs_on(card, cuda)]
            if missing:
                details = {
                    "path": str(path),
                    "cards": ", ".join(f"{card.name} (sm_{card.architecture})" for card in missing),
                    "code": code.words,
                    "cuda": "{}.{}".format(*cuda) if cuda else "?",
                }
                return Lack("lacks.no_card_code", path, dict(details))
    return None


def why_it_died(file: Path, reason: str) -> Lack | None:
    """Returns the cause of a crash that the set's own files or its last words show."""
    for path in fingerprint.members(file):
        with suppress(Damaged, OSError):
            if OF_STDCXX in binary.symbols(path).defined:
                return Lack("lacks.static_stdcxx", path, {"path": str(path)})
    if (lack := without_code(file)) is not None:
        return lack
    if REFUSED.search(reason):
        return Lack("lacks.gpu_refused", file, {"path": str(file), "reason": reason})
    return None
