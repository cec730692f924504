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
NAMED: Final = "gguf:"
"""As the beginning of `chat_template`: the one of this name among the GGUF's own."""
MAX_SHOWN: Final = 60
AUTO_LAYERS: Final = -2
"""As `params.AUTO_LAYERS`."""
_SHARES: Final = r" *\d{1,6}(?:\.\d+)? *(?:, *\d{1,6}(?:\.\d+)? *)*"
_LOAD_FIELDS: Final = frozenset(
    {"n_ctx", "n_gpu_layers", "main_gpu", "tensor_split", "flash_attn", "type_k", "type_v"}
    | {"use_mmap", "use_mlock", "require_gpu"}
)
Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `kind` is what stands in the file; `minimum` and `maximum` bound a number."""

    name: str
    kind: type[Value]
    allowed: str
    """For both languages, in one line."""
    minimum: float = 0
    maximum: float = 0
    words: tuple[str, ...] = ()
    """Words it may be: beside a number, or of a text the only ones."""
    form: str = ""
    """Regular expression of the texts it may be."""

    def check(self, value: Any) -> Value:
        """The value as it is used. Raises ValueError."""
        if isinstance(value, str) and value in self.words:
            return value
        if self.kind is str:
            if (
                isinstance(value, str)
                and is_text(value)
                and not self.words
                and re.fullmatch(self.form or ".*", value, re.S)
            ):
                return value
        elif self.kind is bool:
            if isinstance(value, bool):
                return value
        elif type(value) in (int, self.kind) and self.minimum <= value <= self.maximum:  # refuses NaN too
            return self.kind(value)
        raise ValueError(value)

    def read(self, text: str) -> Value:
        """The value that was typed. Raises ValueError."""
        return self.check(text if self.kind is str or text in self.words else self.kind(text))


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
    Option("n_gpu_layers", int, "auto | -1 (= all) … 100000", -1, 100_000, words=("auto",)),
    Option("main_gpu", int, "0 … 127", 0, 127),
    Option("tensor_split", str, "X,Y,… (3,1 = 75 % + 25 %)", form=_SHARES),
    Option("flash_attn", str, "auto | on | off", words=("auto", "on", "off")),
    Option("type_k", str, "f16 | q8_0 | q4_0", words=("f16", "q8_0", "q4_0")),
    Option("type_v", str, "f16 | q8_0 | q4_0", words=("f16", "q8_0", "q4_0")),
    Option("use_mmap", str, "off | on", words=("off", "on")),
    Option("use_mlock", str, "off | on", words=("off", "on")),
    Option("require_gpu", str, "off | on", words=("off", "on")),
    Option("chat_template", str, "path of a Jinja file | chatml | gguf:NAME"),
    Option("draft", str, "path of a GGUF"),
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
    n_gpu_layers: int | str | None = None
    """A number, or `auto`."""
    main_gpu: int | None = None
    tensor_split: str | None = None
    flash_attn: str | None = None
    type_k: str | None = None
    type_v: str | None = None
    use_mmap: str | None = None
    use_mlock: str | None = None
    require_gpu: str | None = None
    """`on` or `off`, as the two before it: words as the settings have them."""
    chat_template: str | None = None
    """Path of a Jinja file, or CHATML, or NAMED and a name."""
    draft: str | None = None
    """Path of a small model of the same vocabulary that guesses tokens ahead."""
    thinking: bool | None = None
    """Told to the chat template as `enable_thinking`, which Qwen3's and others read."""
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)

    def given(self) -> dict[str, Any]:
        """Those that are set, by name, as they stand in the file."""
        found = _given(self)
        sampling = found.pop("sampling")
        return {**found, **sampling.given()}

    def loading(self) -> dict[str, Any]:
        """Those that are fields of `params.LoadParams`, as they are there."""
        found = {name: value for name, value in _given(self).items() if name in _LOAD_FIELDS}
        for name, value in found.items():
            if value == "auto" and name == "n_gpu_layers":
                found[name] = AUTO_LAYERS
            elif name == "tensor_split":
                found[name] = tuple(map(float, value.split(",")))
            elif name in ("use_mmap", "use_mlock", "require_gpu"):
                found[name] = value == "on"
        return found


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
