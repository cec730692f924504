"""Lists answers in every format, and what they say. Values; no state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from hoshikage.tools import (
    CallArguments,
    CallStart,
    Content,
    Delta,
    Reasoning,
    ThoughtMarks,
    apertus,
    command_r,
    deepseek,
    dsml,
    forced,
    functionary,
    gemma4,
    generic,
    gigachat,
    glm,
    granite,
    harmony,
    hermes,
    hy3,
    kimi,
    kimi_k3,
    lfm2,
    llama3,
    minicpm5,
    minimax,
    minimax_m3,
    mistral,
    muse,
    nemotron,
    phi4,
    solar,
    tagged_functions,
)
from hoshikage.tools.known_formats import BY_NAME
from hoshikage.tools.stream import AnswerParser
from hoshikage.tools.tool_format import ToolFormat

STRING: Final = {"type": "string"}
SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "weather": {
        "type": "object",
        "properties": {
            "city": STRING,
            "days": {"type": "integer"},
            "units": {"enum": ["C", "F"]},
            "note": {"type": ["string", "null"]},
        },
        "required": ["city"],
    },
    "time": {"type": "object", "properties": {}},
}
THINK: Final = ThoughtMarks("<think>", "</think>")
TOKYO: Final = ("weather", {"city": "東京"})
TIME: Final[tuple[str, Any]] = ("time", {})


@dataclass(frozen=True)
class Said:
    """This came out of an answer, joined."""

    content: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    parsed: bool = True


@dataclass(frozen=True)
class Example:
    name: str
    form: ToolFormat
    text: str
    said: Said
    thinking: ThoughtMarks | None = None
    tail: str = ""
    schemas: dict[str, dict[str, Any]] = field(default_factory=lambda: SCHEMAS)


def heard(example: Example, *pieces: str, cut: bool = False) -> Said:
    """Returns what the parser makes of the answer in these pieces, by its format's rules. `cut`: at a length."""
    parser = AnswerParser(example.form, example.schemas, example.thinking, example.tail)
    deltas: list[Delta] = []
    for piece in pieces:
        deltas += parser.feed(piece)
    rest = parser.finish(cut)
    return assembled([*deltas, *rest.deltas], rest.parsed)


def assembled(deltas: list[Delta], parsed: bool) -> Said:
    content = reasoning = ""
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for delta in deltas:
        if isinstance(delta, Content):
            assert delta.text
            content += delta.text
        elif isinstance(delta, Reasoning):
            assert delta.text
            reasoning += delta.text
        elif isinstance(delta, CallStart):
            assert delta.index == len(arguments)
            names[delta.index], arguments[delta.index] = delta.name, ""
        elif isinstance(delta, CallArguments):
            assert delta.piece
            assert delta.index == len(arguments) - 1
            arguments[delta.index] += delta.piece
    calls = tuple((name, read(arguments[index])) for index, name in names.items())
    return Said(content, reasoning, calls, parsed)


def read(arguments: str) -> Any:
    """Returns the arguments; their text where they are no JSON."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _hermes(name: str, text: str, said: Said, thinking: ThoughtMarks | None = None, tail: str = "") -> Example:
    return Example(f"hermes {name}", hermes.FORMAT, text, said, thinking, tail)


EXAMPLES: Final = (
    Example(
        "dsml",
        dsml.FORMAT,
        'I look.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="weather">\n'
        '<｜DSML｜parameter name="city" string="true">東京</｜DSML｜parameter>\n'
        '<｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>\n'
        '<｜DSML｜parameter name="zip" string="true">007</｜DSML｜parameter>\n'
        '</｜DSML｜invoke>\n<｜DSML｜invoke name="time">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>',
        Said("I look.", calls=(("weather", {"city": "東京", "days": 3, "zip": "007"}), TIME)),
    ),
    Example(
        "dsml of V3.2",
        dsml.FORMAT,
        'Hm.</think>I look.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name="weather">\n'
        '<｜DSML｜parameter name="city" string="true">東京</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        Said("I look.", "Hm.", calls=(TOKYO,)),
        THINK,
        "<｜Assistant｜><think>",
    ),
    Example(
        "kimi k3",
        kimi_k3.FORMAT,
        "Hm.<|close|>think<|sep|><|open|>response<|sep|>I look.<|close|>response<|sep|><|open|>tools<|sep|>"
        '<|open|>call tool="weather" index="1"<|sep|><|open|>argument key="city" type="string"<|sep|>東京'
        '<|close|>argument<|sep|><|open|>argument key="days" type="number"<|sep|>3<|close|>argument<|sep|>'
        '<|open|>argument key="a &quot;b&quot;" type="string"<|sep|>12<|close|>argument<|sep|><|close|>call<|sep|>'
        '<|open|>call tool="time" index="2"<|sep|><|close|>call<|sep|><|close|>tools<|sep|><|close|>message<|sep|>',
        Said("I look.", "Hm.", calls=(("weather", {"city": "東京", "days": 3, 'a "b"': "12"}), TIME)),
        BY_NAME["kimi_k3"].thinking,
        '<|open|>message role="assistant"<|sep|><|open|>think<|sep|>',
    ),
    Example(
        "kimi k3, arguments as JSON",
        kimi_k3.FORMAT,
        '<|close|>response<|sep|><|open|>tools<|sep|><|open|>call tool="weather" index="1"<|sep|>'
        '<|open|>json type="object"<|sep|>{"city": "東京"}<|close|>json<|sep|><|close|>call<|sep|>'
        "<|close|>tools<|sep|><|close|>message<|sep|>",
        Said(calls=(TOKYO,)),
        BY_NAME["kimi_k3"].thinking,
        "<|open|>response<|sep|>",
    ),
    Example(
        "kimi k3 without tools",
        kimi_k3.FORMAT,
        "Hm.<|close|>think<|sep|><|open|>response<|sep|>It is fine.<|close|>response<|sep|><|close|>message<|sep|>",
        Said("It is fine.", "Hm."),
        BY_NAME["kimi_k3"].thinking,
        "<|open|>think<|sep|>",
        schemas={},
    ),
    Example(
        "hy3",
        hy3.FORMAT,
        "Hm.</think:opensource>I look.<tool_calls:opensource>\n<tool_call:opensource>weather<tool_sep:opensource>\n"
        "<arg_key:opensource>city</arg_key:opensource>\n<arg_value:opensource>東京</arg_value:opensource>\n"
        "<arg_key:opensource>days</arg_key:opensource>\n<arg_value:opensource>3</arg_value:opensource>\n"
        "</tool_call:opensource>\n<tool_call:opensource>time<tool_sep:opensource>\n</tool_call:opensource>\n"
        "</tool_calls:opensource>",
        Said("I look.", "Hm.", calls=(("weather", {"city": "東京", "days": 3}), TIME)),
        BY_NAME["hy3"].thinking,
        "<｜hy_Assistant:opensource｜><think:opensource>",
    ),
    Example(
        "minicpm5",
        minicpm5.FORMAT,
        'I look.\n<function name="weather"><param name="city">東京</param><param name="days">3</param>'
        '<param name="note"><![CDATA[a </param> b]]></param></function>\n<function name="time"></function>',
        Said("I look.", calls=(("weather", {"city": "東京", "days": 3, "note": "a </param> b"}), TIME)),
    ),
    Example(
        "muse",
        muse.FORMAT,
        " to=self<|message|>Hm. <atem:function_calls><|eom|><|start|>assistant to=user<|message|>I look.<|eom|>"
        '<|start|>assistant to=weather<|message|><atem:function_calls>\n<atem:invoke name="weather">\n'
        '<atem:parameter name="city">東京</atem:parameter>\n<atem:parameter name="days">3</atem:parameter>\n'
        "</atem:invoke>\n</atem:function_calls><|eom|><|start|>assistant to=time<|message|><atem:function_calls>\n"
        '<atem:invoke name="time">\n</atem:invoke>\n</atem:function_calls><|eot|>',
        Said("I look.", "Hm. <atem:function_calls>", calls=(("weather", {"city": "東京", "days": 3}), TIME)),
    ),
    Example(
        "muse without tools",
        muse.FORMAT,
        " to=self<|message|>Hm.<|eom|><|start|>assistant to=user<|message|>It is fine.<|eot|>",
        Said("It is fine.", "Hm."),
        schemas={},
    ),
    Example(
        "nemotron",
        nemotron.FORMAT,
        'I look.\n<TOOLCALL>[{"name": "weather", "arguments": {"city": "東京"}}, {"name": "time"}]</TOOLCALL>',
        Said("I look.", calls=(TOKYO, TIME)),
    ),
    Example(
        "apertus",
        apertus.FORMAT,
        'I look.<|tools_prefix|>[{"weather": {"city": "東京"}}, {"time": {}}]<|tools_suffix|>',
        Said("I look.", calls=(TOKYO, TIME)),
    ),
    Example(
        "gigachat",
        gigachat.FORMAT,
        'I look.<|function_call|>{"name": "weather", "arguments": {"city": "東京"}}',
        Said("I look.", calls=(TOKYO,)),
    ),
    Example(
        "gigachat, as a role",
        gigachat.FORMAT,
        'I look.<|message_sep|>\n\nfunction call<|role_sep|>\n{"name": "time", "arguments": {}}<|message_sep|>',
        Said("I look.<|message_sep|>", calls=(TIME,)),
    ),
    Example(
        "minimax",
        minimax.FORMAT,
        'I look.\n<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">東京</parameter>\n'
        '<parameter name="days">3</parameter>\n</invoke>\n<invoke name="time">\n</invoke>\n</minimax:tool_call>',
        Said("I look.", calls=(("weather", {"city": "東京", "days": 3}), TIME)),
    ),
    Example(
        "minimax m3",
        minimax_m3.FORMAT,
        "I look.]<]minimax[>[<tool_call>\n"
        ']<]minimax[>[<invoke name="weather">]<]minimax[>[<city>東京]<]minimax[>[</city>]<]minimax[>[<list>'
        "]<]minimax[>[<item>a]<]minimax[>[</item>]<]minimax[>[<item>]<]minimax[>[<k>1.5]<]minimax[>[</k>"
        "]<]minimax[>[</item>]<]minimax[>[</list>]<]minimax[>[</invoke>\n"
        ']<]minimax[>[<invoke name="time">]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>',
        Said("I look.", calls=(("weather", {"city": "東京", "list": ["a", {"k": 1.5}]}), TIME)),
    ),
    Example(
        "solar",
        solar.FORMAT,
        "I look.<|begin|>assistant<|tool_calls|><|tool_call:begin|>a1<|tool_call:name|>weather<|tool_call:args|>"
        '{"city": "東京"}<|tool_call:end|><|tool_call:begin|>a2<|tool_call:name|>time<|tool_call:args|>{}'
        "<|tool_call:end|>",
        Said("I look.", calls=(TOKYO, TIME)),
    ),
    Example(
        "gemma4",
        gemma4.FORMAT,
        'I look.<|tool_call>call:weather{city:<|"|>東京<|"|>,days:3,list:[<|"|>a,b<|"|>,true,null],o:{<|"|>k<|"|>:1.5}}'
        "<tool_call|><|tool_call>call:time{}<tool_call|>",
        Said(
            "I look.",
            calls=(("weather", {"city": "東京", "days": 3, "list": ["a,b", True, None], "o": {"k": 1.5}}), TIME),
        ),
    ),
    _hermes("no call", "Hello  there.\n", Said("Hello  there.\n")),
    _hermes(
        "text before",
        'I look.\n\n<tool_call>\n{"name": "weather", "arguments": {"city": "東京"}}\n</tool_call>',
        Said("I look.", calls=(TOKYO,)),
    ),
    _hermes(
        "two",
        '<tool_call>\n{"name": "weather", "arguments": {"city": "東京"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>',
        Said(calls=(TOKYO, TIME)),
    ),
    _hermes(
        "arguments first, as text, and text behind",
        '<tool_call>{"arguments": "{\\"city\\": \\"東京\\"}", "name": "weather"}</tool_call> done',
        Said("done", calls=(TOKYO,)),
    ),
    _hermes(
        "fenced", '```json\n{"name": "weather", "arguments": {"city": "東京"}}\n```\nSo.', Said("So.", calls=(TOKYO,))
    ),
    _hermes(
        "fenced in the middle",
        'I look:\n```json\n{"name": "weather", "arguments": {"city": "東京"}}\n```\nSo.',
        Said("I look:\nSo.", calls=(TOKYO,)),
    ),
    _hermes(
        "bare in the middle, and marked",
        'I look.\n{"name": "time", "arguments": {}}\n<tool_call>{"name": "weather", "arguments": {"city": "東京"}}',
        Said("I look.", calls=(TIME, TOKYO)),
    ),
    _hermes(
        "JSON in the middle",
        'So:\n{"name": "rain", "arguments": {}}\n```json\n{"a": 1}\n```\n{"name": "time", "arguments": {',
        Said('So:\n{"name": "rain", "arguments": {}}\n```json\n{"a": 1}\n```\n{"name": "time", "arguments": {'),
    ),
    _hermes("bare in a line", 'Say {"name": "time", "arguments": {}}.', Said('Say {"name": "time", "arguments": {}}.')),
    _hermes("bare", '{"name": "time", "arguments": {}}', Said(calls=(TIME,))),
    _hermes("bare, of no function", '{"name": "rain", "arguments": {}}', Said('{"name": "rain", "arguments": {}}')),
    _hermes("fenced, no call", "```python\nprint(1)\n```", Said("```python\nprint(1)\n```")),
    _hermes("no closing tag", '<tool_call>{"name": "time"}', Said(calls=(TIME,))),
    _hermes(
        "raw line break in a string",
        '<tool_call>{"name": "weather", "arguments": {"city": "a\nb\\n"}}</tool_call>',
        Said(calls=(("weather", {"city": "a\nb\n"}),)),
    ),
    _hermes(
        "broken before the name",
        '<tool_call>{"nome": 1}</tool_call> ok',
        Said('<tool_call>{"nome": 1}</tool_call> ok', parsed=False),
    ),
    _hermes(
        "broken in the arguments",
        'a <tool_call>{"name": "time", "arguments": {"x": tru}}</tool_call>',
        Said("a", calls=(("time", '{"x": tru}}'),), parsed=False),
    ),
    _hermes(
        "broken, then whole",
        '<tool_call>{"name": <tool_call>{"name": "time", "arguments": {}}</tool_call>',
        Said('<tool_call>{"name": ', calls=(TIME,), parsed=False),
    ),
    _hermes("unended", '<tool_call>{"name": "ti', Said('<tool_call>{"name": "ti', parsed=False)),
    _hermes("almost a mark", "<tool_cal <tool_call", Said("<tool_cal <tool_call")),
    _hermes(
        "thoughts",
        '<think>\nHm <b>.\n</think>\n\nYes.<tool_call>{"name": "time", "arguments": {}}</tool_call>',
        Said("Yes.", "Hm <b>.", (TIME,)),
        THINK,
    ),
    _hermes("thoughts begun", "Hm.\n</think>\n\nYes.", Said("Yes.", "Hm."), THINK, "<|im_start|>assistant\n<think>\n"),
    _hermes("thoughts ended in the prompt", "Yes <think>.", Said("Yes <think>."), THINK, "<think>\n\n</think>\n\n"),
    _hermes("thoughts without an end", "<think>Hm.", Said("", "Hm."), THINK),
    _hermes("no thoughts", "  Yes.", Said("  Yes."), THINK),
    _hermes("empty thoughts", "<think>\n\n</think>\n\nYes.", Said("Yes."), THINK),
    Example(
        "llama3 object",
        llama3.FORMAT,
        '{"name": "weather", "parameters": {"city": "東京"}}',
        Said(calls=(TOKYO,)),
    ),
    Example(
        "llama3 objects",
        llama3.FORMAT,
        '{"type": "function", "name": "weather", "parameters": {"city": "東京"}}; {"name": "time", "parameters": {}}',
        Said(calls=(TOKYO, TIME)),
    ),
    Example(
        "llama3 nested function",
        llama3.FORMAT,
        '{"type": "function", "function": {"name": "weather", "arguments": {"city": "東京"}}}',
        Said(calls=(TOKYO,)),
    ),
    Example("llama3 some JSON", llama3.FORMAT, '{"name": "Bob", "age": 3}', Said('{"name": "Bob", "age": 3}')),
    Example("llama3 other JSON", llama3.FORMAT, ' {"a": 1}\n', Said(' {"a": 1}\n')),
    Example(
        "llama3 built-in",
        llama3.FORMAT,
        '<|python_tag|>brave_search.call(query="星影")',
        Said(calls=(("brave_search", {"query": "星影"}),)),
    ),
    Example(
        "llama3 python tag and object",
        llama3.FORMAT,
        'Well. <|python_tag|>{"name": "weather", "parameters": {"city": "東京"}}',
        Said("Well.", calls=(TOKYO,)),
    ),
    Example(
        "llama3 code",
        llama3.FORMAT,
        "<|python_tag|>import math\nprint(math.pi)",
        Said(calls=(("python", {"code": "import math\nprint(math.pi)"}),)),
        schemas={"python": {}},
    ),
    Example(
        "llama4 pythonic",
        llama3.FORMAT,
        '[weather(city="東京"), time()]',
        Said(calls=(TOKYO, TIME)),
    ),
    Example("llama4 a list", llama3.FORMAT, "[1, 2]", Said("[1, 2]")),
    Example(
        "mistral list",
        mistral.FORMAT,
        '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "東京"}}, {"name": "time", "arguments": {}}]',
        Said(calls=(TOKYO, TIME)),
    ),
    Example(
        "mistral names",
        mistral.FORMAT,
        'So:[TOOL_CALLS]weather[ARGS]{"city": "東京"}[TOOL_CALLS]time[CALL_ID]x3AbC9dEf[ARGS]{}',
        Said("So:", calls=(TOKYO, TIME)),
    ),
    Example(
        "mistral thoughts",
        mistral.FORMAT,
        '[THINK]Hm.[/THINK][TOOL_CALLS]weather{"city": "東京"}',
        Said(reasoning="Hm.", calls=(TOKYO,)),
        ThoughtMarks("[THINK]", "[/THINK]"),
    ),
    Example(
        "mistral broken",
        mistral.FORMAT,
        "[TOOL_CALLS]weather and more",
        Said("[TOOL_CALLS]weather and more", parsed=False),
    ),
    Example(
        "mistral, no name ends",
        mistral.FORMAT,
        "[TOOL_CALLS]" + "weather " * 40 + "[TOOL_CALLS]time{}",
        Said("[TOOL_CALLS]" + ("weather " * 40).rstrip(), calls=(TIME,), parsed=False),
    ),
    Example(
        "mistral half a list",
        mistral.FORMAT,
        '[TOOL_CALLS][{"name": "time", "arguments": {}}, {"name"]',
        Said(', {"name"]', calls=(TIME,), parsed=False),
    ),
    Example(
        "lfm2 pythonic",
        lfm2.FORMAT,
        "<|tool_call_start|>[weather(city='東京', days=3, note=None), time()]<|tool_call_end|>I look it up.",
        Said("I look it up.", calls=(("weather", {"city": "東京", "days": 3, "note": None}), TIME)),
    ),
    Example(
        "lfm2 nested values",
        lfm2.FORMAT,
        '<|tool_call_start|>[f(a=[1, (2, "],)")], b={"k": {"x": True}}, c=-1.5e3, d="it\'s \\"q\\"", e=false)]'
        "<|tool_call_end|>",
        Said(
            calls=(("f", {"a": [1, [2, "],)"]], "b": {"k": {"x": True}}, "c": -1500.0, "d": 'it\'s "q"', "e": False}),)
        ),
    ),
    Example(
        "lfm2 json",
        lfm2.FORMAT,
        '<|tool_call_start|>[{"name": "weather", "arguments": {"city": "東京"}}]<|tool_call_end|>',
        Said(calls=(TOKYO,)),
    ),
    Example(
        "lfm2 a name as value",
        lfm2.FORMAT,
        "<|tool_call_start|>[weather(city=tokyo)]<|tool_call_end|>",
        Said(calls=(("weather", "city=tokyo)]"),), parsed=False),
    ),
    Example(
        "deepseek v3",
        deepseek.FORMAT,
        "Yes.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n"
        '{"city": "東京"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>time\n```json\n{}\n```'
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        Said("Yes.", calls=(TOKYO, TIME)),
    ),
    Example(
        "deepseek v3.1",
        deepseek.FORMAT,
        '</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "東京"}<｜tool▁call▁end｜>'
        "<｜tool▁calls▁end｜>",
        Said(calls=(TOKYO,)),
        THINK,
        "<｜Assistant｜><think>",
    ),
    Example(
        "glm",
        glm.FORMAT,
        "\n<think>Hm.</think>\nYes.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>東京</arg_value>\n"
        "<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>\n<tool_call>time\n</tool_call>",
        Said("Yes.", "Hm.", (("weather", {"city": "東京", "days": 3}), TIME)),
        THINK,
    ),
    Example(
        "glm on one line",
        glm.FORMAT,
        "<tool_call>weather<arg_key>city</arg_key><arg_value> 3 </arg_value></tool_call>",
        Said(calls=(("weather", {"city": " 3 "}),)),
    ),
    Example(
        "glm unknown function",
        glm.FORMAT,
        '<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>[1, "x"]</arg_value>\n<arg_key>b</arg_key>\n'
        "<arg_value>NaN</arg_value>\n</tool_call>",
        Said(calls=(("f", {"a": [1, "x"], "b": "NaN"}),)),
    ),
    Example(
        "tagged functions",
        tagged_functions.FORMAT,
        "Yes.\n<tool_call>\n<function=weather>\n<parameter=city>\n東京 <1>\n\n</parameter>\n<parameter=days>\n3\n"
        "</parameter>\n<parameter=note>\nnull\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=time>\n"
        "</function>\n</tool_call>",
        Said("Yes.", calls=(("weather", {"city": "東京 <1>\n", "days": 3, "note": None}), TIME)),
    ),
    Example(
        "seed",
        tagged_functions.FORMAT,
        "<seed:think>Hm.</seed:think><seed:tool_call>\n<function=weather>\n<parameter=city>東京</parameter>\n"
        "</function>\n</seed:tool_call>",
        Said(reasoning="Hm.", calls=(TOKYO,)),
        ThoughtMarks("<seed:think>", "</seed:think>"),
    ),
    Example(
        "tagged functions, values as their schemas say",
        tagged_functions.FORMAT,
        '<function=set>\n<parameter=page>\n{"html": "a</parameter>b"}\n</parameter>\n'
        "<parameter=zip>\n007\n</parameter>\n<parameter=code>\n7\n</parameter>\n<parameter=size>\n3\n</parameter>\n<parameter=more>\n12\n</parameter>\n"
        "<parameter=list>\n[1, 2\n</parameter>\n</function>",
        Said(
            calls=(
                (
                    "set",
                    {
                        "page": {"html": "a</parameter>b"},
                        "zip": "007",
                        "code": "7",
                        "size": 3,
                        "more": "12",
                        "list": "[1, 2",
                    },
                ),
            )
        ),
        schemas={
            "set": {
                "$ref": "#/$defs/set",
                "$defs": {
                    "zip": {"type": "string"},
                    "set": {
                        "type": "object",
                        "properties": {
                            "page": {"type": "object"},
                            "zip": {"$ref": "#/$defs/zip"},
                            "code": {"const": "7"},
                            "size": {"type": ["string", "number"]},
                            "list": {"type": ["array", "string"]},
                        },
                        "additionalProperties": {"type": "string"},
                    },
                },
            }
        },
    ),
    Example(
        "granite 3",
        granite.FORMAT,
        '<|tool_call|>[{"name": "weather", "arguments": {"city": "東京"}}, {"name": "time", "arguments": {}}]',
        Said(calls=(TOKYO, TIME)),
    ),
    Example(
        "granite 4",
        granite.FORMAT,
        '<tool_call>\n{"name": "weather", "arguments": {"city": "東京"}}\n</tool_call>',
        Said(calls=(TOKYO,)),
    ),
    Example(
        "phi-4-mini",
        phi4.FORMAT,
        '<|tool_call|>[{"type": "function", "function": {"name": "weather", "arguments": {"city": "東京"}}}]'
        "<|/tool_call|>",
        Said(calls=(TOKYO,)),
    ),
    Example("phi-4 functools", phi4.FORMAT, 'functools[{"name": "time", "arguments": {}}]', Said(calls=(TIME,))),
    Example(
        "command r",
        command_r.FORMAT,
        'Action: ```json\n[\n    {\n        "tool_name": "weather",\n        "parameters": {"city": "東京"}\n    }\n]'
        "\n```",
        Said(calls=(TOKYO,)),
    ),
    Example(
        "command a",
        command_r.FORMAT,
        "<|START_THINKING|>Hm.<|END_THINKING|><|START_ACTION|>[\n"
        '    {"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "東京"}}\n]<|END_ACTION|>',
        Said(reasoning="Hm.", calls=(TOKYO,)),
        ThoughtMarks("<|START_THINKING|>", "<|END_THINKING|>"),
    ),
    Example(
        "command a answer without tools",
        command_r.FORMAT,
        "<|START_RESPONSE|>Sunny.<|END_RESPONSE|>",
        Said("Sunny."),
        schemas={},
    ),
    Example(
        "kimi",
        kimi.FORMAT,
        "Yes.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
        '{"city": "東京"}<|tool_call_end|><|tool_call_begin|>functions.time:1<|tool_call_argument_begin|>{}'
        "<|tool_call_end|><|tool_calls_section_end|>",
        Said("Yes.", calls=(TOKYO, TIME)),
    ),
    Example(
        "harmony",
        harmony.FORMAT,
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>"
        '{"city": "東京"}<|call|>',
        Said("I look.", "Hm.", (TOKYO,)),
        tail="<|start|>assistant",
    ),
    Example(
        "harmony, recipient first",
        harmony.FORMAT,
        " to=functions.weather<|channel|>commentary json<|message|>"
        '{"city": "東京"}<|end|><|start|>assistant to=functions.time<|channel|>commentary<|message|>{}<|call|>',
        Said(calls=(TOKYO, TIME)),
    ),
    Example(
        "harmony final, without tools",
        harmony.FORMAT,
        "<|channel|>analysis<|message|>Hm.\n<|end|><|start|>assistant<|channel|>final<|message|>Yes. <1>",
        Said("Yes. <1>", "Hm.\n"),
        schemas={},
    ),
    Example("harmony left out", harmony.FORMAT, "to be <|", Said("to be <|"), schemas={}),
    Example(
        "harmony broken",
        harmony.FORMAT,
        "<|channel|>commentary to=functions.time<|message|>no<|call|>",
        Said(calls=(("time", "no"),), parsed=False),
    ),
    Example(
        "functionary 3.2",
        functionary.RECIPIENTS,
        'all\nI look.>>>weather\n{"city": "東京"}>>>time\n{}',
        Said("I look.", calls=(TOKYO, TIME)),
        tail=">>>",
    ),
    Example(
        "functionary 3.2 code",
        functionary.RECIPIENTS,
        "python\nprint(1)\n",
        Said(calls=(("python", {"code": "print(1)"}),)),
    ),
    Example("functionary 3.2 text", functionary.RECIPIENTS, "Hello.\nYes.", Said("Hello.\nYes.")),
    Example(
        "functionary 3.1",
        functionary.FUNCTIONS,
        'I look. <function=weather>{"city": "東京"}</function><function=time>{}</function>',
        Said("I look.", calls=(TOKYO, TIME)),
    ),
    Example(
        "functionary 3.1 code",
        functionary.FUNCTIONS,
        "<|python_tag|>print(1)",
        Said(calls=(("python", {"code": "print(1)"}),)),
    ),
    Example(
        "generic tagged",
        generic.FORMAT,
        'I look. <tool_call>{"name": "weather", "arguments": {"city": "東京"}}</tool_call>',
        Said("I look.", calls=(TOKYO,)),
    ),
    Example(
        "generic fenced",
        generic.FORMAT,
        '```json\n{"name": "weather", "arguments": {"city": "東京"}}\n```',
        Said(calls=(TOKYO,)),
    ),
    Example(
        "generic alone",
        generic.FORMAT,
        '[{"name": "weather", "arguments": {"city": "東京"}}]',
        Said(calls=(TOKYO,)),
    ),
    Example("generic code", generic.FORMAT, "```json\n{}\n```", Said("```json\n{}\n```")),
    Example(
        "forced",
        forced.FORMAT,
        '[{"name": "weather", "arguments": {"city": "東京"}}, {"name": "time", "arguments": {}}]\n',
        Said(calls=(TOKYO, TIME)),
    ),
)
