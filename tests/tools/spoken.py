"""Makes whole answers as models of every format write them: thoughts, words and calls. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from hoshikage.tools import ThoughtMarks
from hoshikage.tools.tool_format import ToolFormat

Call = tuple[str, dict[str, Any]]
STRING: Final = {"type": "string"}
SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "weather": {
        "type": "object",
        "properties": {
            "city": STRING,
            "days": {"type": "integer"},
            "exact": {"type": "boolean"},
            "places": {"type": "array", "items": STRING},
            "more": {"type": "object", "properties": {"deep": {"type": "array", "items": {"type": "object"}}}},
        },
        "required": ["city"],
    },
    "note": {"type": "object", "properties": {"text": STRING}, "required": ["text"]},
    "time": {"type": "object", "properties": {}},
}


def spoken(
    form: ToolFormat,
    words: str,
    calls: Sequence[Call] = (),
    *,
    thoughts: str = "",
    thinking: ThoughtMarks | None = None,
    tail: str = "",
) -> str:
    """Returns the answer behind a prompt that ends in `tail`. Thoughts are left out where the model has no marks for
    them."""
    if form.name == "harmony":
        return _harmony(words, calls, thoughts, tail)
    if form.name == "muse":
        return _muse(words, calls, thoughts)
    lead = ""
    if thinking is not None:
        begun = thinking.begun(tail)
        if thoughts or begun:
            lead = ("" if begun else thinking.opens) + thoughts + thinking.closes
    if form.name == "functionary_v3.2":
        return lead + (f"all\n{words}" if words else "") + _recipients(calls, first=not words)
    if form.name == "command_r" and words:
        return f"{lead}<|START_RESPONSE|>{words}<|END_RESPONSE|>{WRITERS[form.name](calls)}"
    if form.name == "kimi_k3" and thinking is not None and lead:
        lead += "<|open|>response<|sep|>"
    return lead + words + (WRITERS[form.name](calls) if calls else "")


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _object(call: Call, arguments: str = "arguments") -> dict[str, Any]:
    return {"name": call[0], arguments: call[1]}


def _tagged(calls: Sequence[Call]) -> str:
    return "".join(f"\n<tool_call>\n{_dumped(_object(call))}\n</tool_call>" for call in calls)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _dumped(value)


def _harmony(words: str, calls: Sequence[Call], thoughts: str, tail: str) -> str:
    parts = [f"<|channel|>analysis<|message|>{thoughts}<|end|>"] if thoughts else []
    if words:
        parts.append(f"<|channel|>{'commentary' if calls else 'final'}<|message|>{words}<|end|>")
    parts += [
        f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{_dumped(given)}<|call|>"
        for name, given in calls
    ]
    return "<|start|>assistant".join(parts)


def _recipients(calls: Sequence[Call], *, first: bool) -> str:
    text = "".join(f">>>{name}\n{_dumped(given)}" for name, given in calls)
    return text[3:] if first else text


def _gemma(calls: Sequence[Call]) -> str:
    return "".join(f"<|tool_call>call:{name}{_gemma_value(given)}<tool_call|>" for name, given in calls)


def _gemma_value(value: Any) -> str:
    if isinstance(value, str):
        return f'<|"|>{value}<|"|>'
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_gemma_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_gemma_value, value)) + "]"
    return _dumped(value)


def _apertus(calls: Sequence[Call]) -> str:
    return f"<|tools_prefix|>{_dumped([{name: given} for name, given in calls])}<|tools_suffix|>"


def _solar(calls: Sequence[Call]) -> str:
    written = (
        f"<|tool_call:begin|>id{number}<|tool_call:name|>{name}<|tool_call:args|>{_dumped(given)}<|tool_call:end|>"
        for number, (name, given) in enumerate(calls)
    )
    return f"<|begin|>assistant<|tool_calls|>{''.join(written)}<|calls|>"


def _minimax(calls: Sequence[Call]) -> str:
    invoked = "".join(
        f'<invoke name="{name}">\n'
        + "".join(f'<parameter name="{key}">{_text(value)}</parameter>\n' for key, value in given.items())
        + "</invoke>\n"
        for name, given in calls
    )
    return f"\n<minimax:tool_call>\n{invoked}</minimax:tool_call>"


def _minimax_m3(calls: Sequence[Call]) -> str:
    mark = "]<]minimax[>["

    def tagged(key: str, value: Any) -> str:
        return f"{mark}<{key}>{inner(value)}{mark}</{key}>"

    def inner(value: Any) -> str:
        if isinstance(value, dict):
            return "".join(tagged(key, one) for key, one in value.items())
        return "".join(tagged("item", one) for one in value) if isinstance(value, list) else _text(value)

    invoked = "".join(
        f'{mark}<invoke name="{name}">{"".join(tagged(key, value) for key, value in given.items())}{mark}</invoke>\n'
        for name, given in calls
    )
    return f"{mark}<tool_call>\n{invoked}{mark}</tool_call>"


def _tagged_invokes(open_tag: str, close_tag: str, prefix: str, *, tells: bool) -> Callable[[Sequence[Call]], str]:
    def parameter(key: str, value: Any) -> str:
        said = f' string="{"true" if isinstance(value, str) else "false"}"' if tells else ""
        return f'<{prefix}parameter name="{key}"{said}>{_text(value)}</{prefix}parameter>\n'

    def invoke(name: str, given: Any) -> str:
        inner = "".join(parameter(key, value) for key, value in given.items())
        return f'<{prefix}invoke name="{name}">\n{inner}</{prefix}invoke>\n'

    return lambda calls: f"{open_tag}\n{''.join(invoke(name, given) for name, given in calls)}{close_tag}"


_MUSE: Final = _tagged_invokes("<atem:function_calls>", "</atem:function_calls>", "atem:", tells=False)


def _muse(words: str, calls: Sequence[Call], thoughts: str) -> str:
    stretches = [f" to=self<|message|>{thoughts}"] if thoughts else []
    stretches += [f" to=user<|message|>{words}"] if words or not calls else []
    stretches += [f" to={calls[0][0]}<|message|>{_MUSE(calls)}"] if calls else []
    return "<|eom|><|start|>assistant".join(stretches) + "<|eot|>"


def _kimi_k3(calls: Sequence[Call]) -> str:
    def argument(key: str, value: Any) -> str:
        kind = "string" if isinstance(value, str) else "object"
        return f'<|open|>argument key="{key}" type="{kind}"<|sep|>{_text(value)}<|close|>argument<|sep|>'

    written = "".join(
        f'<|open|>call tool="{name}" index="{number}"<|sep|>'
        + "".join(argument(key, value) for key, value in given.items())
        + "<|close|>call<|sep|>"
        for number, (name, given) in enumerate(calls, start=1)
    )
    return f"<|close|>response<|sep|><|open|>tools<|sep|>{written}<|close|>tools<|sep|><|close|>message<|sep|>"


def _hy3(calls: Sequence[Call]) -> str:
    def argument(key: str, value: Any) -> str:
        head = f"<arg_key:opensource>{key}</arg_key:opensource>\n"
        return f"{head}<arg_value:opensource>{_text(value)}</arg_value:opensource>\n"

    written = "".join(
        f"<tool_call:opensource>{name}<tool_sep:opensource>\n"
        + "".join(argument(key, value) for key, value in given.items())
        + "</tool_call:opensource>\n"
        for name, given in calls
    )
    return f"<tool_calls:opensource>\n{written}</tool_calls:opensource>"


def _minicpm5(calls: Sequence[Call]) -> str:
    def parameter(key: str, value: Any) -> str:
        text = _text(value)
        text = f"<![CDATA[{text}]]>" if isinstance(value, str) and set(text) & set("<&\n") else text
        return f'<param name="{key}">{text}</param>'

    return "".join(
        f'\n<function name="{name}">{"".join(parameter(key, value) for key, value in given.items())}</function>'
        for name, given in calls
    )


def _deepseek(calls: Sequence[Call]) -> str:
    written = "".join(
        f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{_dumped(given)}<｜tool▁call▁end｜>" for name, given in calls
    )
    return f"<｜tool▁calls▁begin｜>{written}<｜tool▁calls▁end｜>"


def _kimi(calls: Sequence[Call]) -> str:
    written = "".join(
        f"<|tool_call_begin|>functions.{name}:{number}<|tool_call_argument_begin|>{_dumped(given)}<|tool_call_end|>"
        for number, (name, given) in enumerate(calls)
    )
    return f"<|tool_calls_section_begin|>{written}<|tool_calls_section_end|>"


def _pythonic(calls: Sequence[Call]) -> str:
    return ", ".join(
        f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})" for name, given in calls
    )


def _glm(calls: Sequence[Call]) -> str:
    return "".join(
        f"\n<tool_call>{name}\n"
        + "".join(f"<arg_key>{key}</arg_key>\n<arg_value>{_text(value)}</arg_value>\n" for key, value in given.items())
        + "</tool_call>"
        for name, given in calls
    )


def _functions(calls: Sequence[Call]) -> str:
    return "".join(
        f"\n<tool_call>\n<function={name}>\n"
        + "".join(f"<parameter={key}>\n{_text(value)}\n</parameter>\n" for key, value in given.items())
        + "</function>\n</tool_call>"
        for name, given in calls
    )


def _command(calls: Sequence[Call]) -> str:
    if not calls:
        return ""
    made = [
        {"tool_call_id": str(number), "tool_name": name, "parameters": given}
        for number, (name, given) in enumerate(calls)
    ]
    return f"<|START_ACTION|>{_dumped(made)}<|END_ACTION|>"


def _list(calls: Sequence[Call]) -> str:
    return _dumped([_object(call) for call in calls])


WRITERS: Final[dict[str, Callable[[Sequence[Call]], str]]] = {
    "hermes": _tagged,
    "generic": _tagged,
    "gemma4": _gemma,
    "apertus": _apertus,
    "solar": _solar,
    "minimax": _minimax,
    "minimax_m3": _minimax_m3,
    "deepseek": _deepseek,
    "dsml": _tagged_invokes("\n\n<｜DSML｜tool_calls>", "</｜DSML｜tool_calls>", "｜DSML｜", tells=True),
    "kimi_k3": _kimi_k3,
    "hy3": _hy3,
    "minicpm5": _minicpm5,
    "kimi": _kimi,
    "glm": _glm,
    "tagged_functions": _functions,
    "command_r": _command,
    "gigachat": lambda calls: "".join(f"<|function_call|>{_dumped(_object(call))}" for call in calls),
    "nemotron": lambda calls: f"<TOOLCALL>{_list(calls)}</TOOLCALL>",
    "lfm2": lambda calls: f"<|tool_call_start|>[{_pythonic(calls)}]<|tool_call_end|>",
    "functionary_v3.1": lambda calls: "".join(f"<function={name}>{_dumped(given)}</function>" for name, given in calls),
    "phi4": lambda calls: f"<|tool_call|>{_list(calls)}<|/tool_call|>",
    "granite": lambda calls: f"<|tool_call|>{_list(calls)}",
    "mistral": lambda calls: "".join(f"[TOOL_CALLS]{name}[ARGS]{_dumped(given)}" for name, given in calls),
    "llama3": lambda calls: "<|python_tag|>" + "; ".join(_dumped(_object(call, "parameters")) for call in calls),
}
"""Maps the name of a format to how it writes calls behind words; harmony, muse and functionary 3.2 have a frame around
all."""
