"""Holds the settings that one model or one persona has of its own, and says what is wrong with them. Any thread;
pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec import field

from hoshikage.errors import InvalidRequest
from hoshikage.frozen import Frozen
from hoshikage.option import Option, Value
from hoshikage.options import OPTIONS, OWN, PERSONA
from hoshikage.params import Scaled

CHATML: Final = "chatml"
"""This value of `chat_template` means the built-in ChatML format, whatever the GGUF brings."""
NAMED: Final = "gguf:"
"""A `chat_template` that begins so names one among the GGUF's own."""
MAX_SHOWN: Final = 60
_BY_NAME: Final = {option.name: option for option in OPTIONS}


class OwnOptions(Frozen, frozen=True):
    """One model or persona has these of its own, by the names of `options.OWN`, as they stand in the file. What it does
    not name is as the settings have it, or as the GGUF says.
    """

    values: Mapping[str, Value] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(tuple(sorted((name, str(value)) for name, value in self.values.items())))

    def given(self) -> dict[str, Value]:
        """Returns the options that are set, by name."""
        return dict(self.values)

    def kept(self) -> OwnOptions:
        """Returns these options without the empty ones, which take away what was."""
        return OwnOptions({name: value for name, value in self.values.items() if value != ""})

    def having(self, **values: Value) -> OwnOptions:
        """Returns these options with other values for some."""
        return OwnOptions({**self.values, **values})

    def loading(self) -> dict[str, Any]:
        """Returns the options that are fields of `params.LoadParams`, as they are there."""
        return {name: _BY_NAME[name].parse(str(value)) for name, value in self._of("load").items()}

    def sampling(self) -> dict[str, Any]:
        """Returns the options that are fields of `params.SamplingParams`."""
        return self._of("sample")

    @property
    def n_ctx(self) -> int | None:
        value = self.values.get("n_ctx")
        return value if isinstance(value, int) else None

    @property
    def chat_template(self) -> str | None:
        """Gives the path of a Jinja file, or CHATML, or NAMED and a name; None where it has none."""
        return self._text("chat_template") or None

    @property
    def draft(self) -> str | None:
        """Gives the path of a small model of the same vocabulary that guesses tokens ahead."""
        return self._text("draft") or None

    @property
    def mmproj(self) -> str | None:
        """Gives the path of a projector, which makes pictures and sounds into what the model reads."""
        return self._text("mmproj") or None

    @property
    def lora(self) -> tuple[Scaled, ...]:
        """Gives the LoRA adapters, in the order by which requests number them."""
        return self._files("lora")

    @property
    def control_vectors(self) -> tuple[Scaled, ...]:
        return self._files("control_vector")

    def having_files(self, name: str, located: Callable[[str], str]) -> OwnOptions:
        """Returns these options with the paths in the list of that name, where it is set, replaced by what `located`
        makes of them."""
        files = self._files(name)
        if not files:
            return self
        return self.having(**{name: [f"{located(path)}:{scale:f}" for path, scale in files]})

    @property
    def thinking(self) -> bool | None:
        """Gives what the chat template is told as `enable_thinking`, which Qwen3's and others read."""
        value = self.values.get("thinking")
        return value if isinstance(value, bool) else None

    @property
    def pin(self) -> bool:
        """Tells whether the model, once loaded, stays until somebody asks for its end."""
        return self.values.get("pin") is True

    def _of(self, scope: str) -> dict[str, Value]:
        return {name: value for name, value in self.values.items() if value != "" and _BY_NAME[name].scope == scope}

    def _files(self, name: str) -> tuple[Scaled, ...]:
        value = self.values.get(name)
        return tuple(map(_BY_NAME[name].parse, value)) if isinstance(value, list) else ()

    def _text(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None


NO_OPTIONS: Final = OwnOptions()


def own_options(values: Mapping[str, Any], allowed: Iterable[Option] = OWN) -> OwnOptions:
    """Returns the options among these values; others are passed over. Raises InvalidRequest that names the one at
    fault."""
    checked: dict[str, Value] = {}
    for option in allowed:
        value = values.get(option.name)
        if value is None:
            continue
        try:
            checked[option.name] = option.check(value)
        except ValueError:
            raise InvalidRequest(
                "model.option_invalid",
                param=option.name,
                name=option.name,
                value=_shown(value),
                allowed=option.allowed,
            ) from None
    return OwnOptions(checked)


def persona_options(values: Mapping[str, Any]) -> OwnOptions:
    """Returns what `own_options` does, of the options that a persona may have."""
    return own_options(values, PERSONA)


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "[…]" if isinstance(value, list) else "{…}"
    shown = value if isinstance(value, str) else json.dumps(value)
    shown = shown.encode("utf-8", "replace").decode()
    return shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "…"
