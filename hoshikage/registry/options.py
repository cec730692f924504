"""The settings that one model or one persona may have of its own: names, bounds, and what is wrong. Any thread; pure.

A row of OPTIONS is one of them, under the name it has in model_map.json, on the command line (`--n-ctx`) and, for
sampling, in `params.SamplingParams`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from hoshikage.errors import InvalidRequest

CHATML: Final = "chatml"
"""As `chat_template`: the built-in ChatML format, whatever the GGUF brings."""
MAX_SHOWN: Final = 60
Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `kind` is what stands in the file; `least` and `most` bound a number."""

    name: str
    kind: type[Value]
    allowed: str
    """For both languages, in one line."""
    least: float = 0
    most: float = 0

    def check(self, value: Any) -> Value:
        """The value as it is used. Raises ValueError."""
        if self.kind is str:
            if isinstance(value, str) and is_text(value):
                return value
        elif self.kind is bool:
            if isinstance(value, bool):
                return value
        elif type(value) in (int, self.kind) and self.least <= value <= self.most:  # refuses NaN too
            return self.kind(value)
        raise ValueError(value)

    def read(self, text: str) -> Value:
        """The value that was typed. Raises ValueError."""
        return self.check(text if self.kind is str else self.kind(text))


SAMPLING: Final = (
    Option("temperature", float, "0.0 … 2.0", 0, 2),
    Option("top_p", float, "0.0 … 1.0", 0, 1),
    Option("top_k", int, "0 (= off) … 100000", 0, 100_000),
    Option("min_p", float, "0.0 … 1.0", 0, 1),
    Option("repeat_penalty", float, "0.01 … 10.0", 0.01, 10),
    Option("repeat_last_n", int, "-1 (= n_ctx) … 16777216", -1, 16_777_216),
    Option("frequency_penalty", float, "-2.0 … 2.0", -2, 2),
    Option("presence_penalty", float, "-2.0 … 2.0", -2, 2),
    Option("seed", int, "0 … 4294967295", 0, 2**32 - 1),
)
LOADING: Final = (
    Option("n_ctx", int, "16 … 16777216", 16, 16_777_216),
    Option("n_gpu_layers", int, "-1 (= all) … 100000", -1, 100_000),
    Option("chat_template", str, "path of a Jinja file | chatml"),
    Option("thinking", bool, "true | false"),
)
OPTIONS: Final = (*LOADING, *SAMPLING)
"""All that a model may have; a persona has those of SAMPLING."""


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """Values for requests that name none, in place of the settings'. None leaves those."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None

    def given(self) -> dict[str, Any]:
        """Those that are set, by name."""
        return _given(self)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What one model has of its own. None leaves the settings', or what the GGUF says."""

    n_ctx: int | None = None
    n_gpu_layers: int | None = None
    chat_template: str | None = None
    """Path of a Jinja file, or CHATML."""
    thinking: bool | None = None
    """Told to the chat template as `enable_thinking`, which Qwen3's and others read."""
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)

    def given(self) -> dict[str, Any]:
        """Those that are set, by name, as they stand in the file."""
        found = _given(self)
        sampling = found.pop("sampling")
        return {**found, **sampling.given()}


NO_SAMPLING: Final = SamplingDefaults()
NO_OPTIONS: Final = ModelOptions()


def model_options(values: Mapping[str, Any]) -> ModelOptions:
    """The options among these values; others are passed over. Raises InvalidRequest that names the one at fault."""
    found = _checked(values, LOADING)
    return ModelOptions(**found, sampling=sampling_defaults(values))


def sampling_defaults(values: Mapping[str, Any]) -> SamplingDefaults:
    """As `model_options`, of the sampling options alone."""
    return SamplingDefaults(**_checked(values, SAMPLING))


def is_text(value: str) -> bool:
    """Whether it can name a file and be sent on: not empty, no NUL, no half of a surrogate pair."""
    return value != "" and not re.search("[\0\ud800-\udfff]", value)


def _checked(values: Mapping[str, Any], rows: tuple[Option, ...]) -> dict[str, Any]:
    found = {}
    for row in rows:
        value = values.get(row.name)
        if value is None:
            continue
        try:
            found[row.name] = row.check(value)
        except ValueError:
            raise InvalidRequest(
                "model.option_invalid", param=row.name, name=row.name, value=_shown(value), allowed=row.allowed
            ) from None
    return found


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "[…]" if isinstance(value, list) else "{…}"
    shown = value if isinstance(value, str) else json.dumps(value)
    shown = shown.encode("utf-8", "replace").decode()
    return shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "…"


def _given(options: object) -> dict[str, Any]:
    values = {row.name: getattr(options, row.name) for row in fields(options)}  # type: ignore[arg-type]
    return {name: value for name, value in values.items() if value is not None}
