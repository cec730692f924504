"""Keeps what `hoshikage tune` chose for a model: apart from what a person set, and good for one library, machine and
file. Any thread; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hoshikage.frozen import Frozen
from hoshikage.option import Value
from hoshikage.options import OPTIONS
from hoshikage.params import LoadParams
from hoshikage.registry.options import OwnOptions

FIELD: Final = "tuned"
"""An entry of model_map.json has the tuned values under this name."""
GUARDED: Final[Mapping[str, tuple[str, ...]]] = {
    "n_threads": ("n_threads", "n_threads_batch"),
    "n_threads_batch": ("n_threads", "n_threads_batch"),
    "n_ubatch": ("n_ubatch",),
    "repack": ("repack",),
    "flash_attn": ("flash_attn", "type_k", "type_v"),
    "type_k": ("flash_attn", "type_k", "type_v"),
    "type_v": ("flash_attn", "type_k", "type_v"),
}
"""Maps what may be chosen to the settings of which none may be a person's for that."""
_ROWS: Final = {row.name: row for row in OPTIONS if row.name in GUARDED}
_UNSET: Final = LoadParams("")


class Tuned(Frozen, frozen=True):
    """This is one choice. `values` are as own options stand in the file, by their names."""

    library: str
    """`library` is the fingerprint of the library that was measured."""
    release: str
    machine: str
    size: int
    mtime_ns: int
    """Both are those of the model's file."""
    values: tuple[tuple[str, Value], ...]
    at: int
    """`at` is Unix time."""

    def loading(self) -> dict[str, Any]:
        """Returns the values as fields of LoadParams."""
        return {name: _ROWS[name].parse(str(value)) for name, value in self.values}

    def to_json(self) -> dict[str, Any]:
        return {
            "library": self.library,
            "release": self.release,
            "machine": self.machine,
            "size": self.size,
            "mtime_ns": self.mtime_ns,
            "values": dict(self.values),
            "at": self.at,
        }


def parse_tuned(value: Any) -> Tuned | None:
    """Returns what stands in the file; None where it is none, or was damaged: it can be measured again."""
    if not isinstance(value, dict) or not isinstance(value.get("values"), dict):
        return None
    texts = [one for one in map(value.get, ("library", "release", "machine")) if isinstance(one, str)]
    numbers = [one for one in map(value.get, ("size", "mtime_ns", "at")) if type(one) is int]
    if len(texts) < 3 or len(numbers) < 3:
        return None
    try:
        for name, chosen in value["values"].items():
            _ROWS[name].parse(str(chosen))
    except (KeyError, ValueError):
        return None
    size, mtime_ns, at = numbers
    return Tuned(texts[0], texts[1], texts[2], size, mtime_ns, tuple(sorted(value["values"].items())), at)


def free(general: LoadParams, options: OwnOptions) -> frozenset[str]:
    """Returns the settings that may be chosen: where no person set anything, neither for all models nor for this
    one."""
    own = options.given()
    made = {name for name in GUARDED if name in own or getattr(general, name) != getattr(_UNSET, name)}
    return frozenset(name for name, guards in GUARDED.items() if not made.intersection(guards))
