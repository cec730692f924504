"""Knows the formats of calls by a chat template or a vocabulary, without their parsers. Any thread; values.

A server that answers without tools imports none of the modules that read and write calls.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from hoshikage.frozen import Frozen
from hoshikage.tools.thought_marks import ThoughtMarks

if TYPE_CHECKING:
    from hoshikage.tools.tool_format import ToolFormat


class KnownFormat(Frozen, frozen=True):
    """One way in which models write calls: its signs, and where its parser is."""

    name: str
    signs: tuple[tuple[str, ...], ...] = ()
    """A chat template is of this format if all texts of one of these groups stand in it."""
    vocabulary: tuple[str, ...] = ()
    """The tokens of `vocabulary` tell the format where the chat template has no sign of it; empty where others have the
    same."""
    thinking: ThoughtMarks | None = None
    """`thinking` has the marks of the model's thoughts, where they do not stand in a chat template as they are."""
    whole_answer: bool = False
    """The format has a frame around every answer, so that it is parsed also where there are no tools."""
    efforts: tuple[str, ...] = ()
    """`efforts` are the words for how much is thought that the model knows, where its chat template takes any."""
    module: str = ""
    """`module` names the module of this package that has the format; empty where it is called like the format."""
    attribute: str = "FORMAT"

    @property
    def form(self) -> ToolFormat:
        """Gives the format itself, which is imported when it is first asked for."""
        return cast("ToolFormat", getattr(import_module(f"{__package__}.{self.module or self.name}"), self.attribute))


GENERIC: Final = KnownFormat("generic")
FORCED: Final = KnownFormat("forced")
FORMATS: Final = (
    KnownFormat("muse", (("atem:invoke", "<|message|>"),), whole_answer=True),
    KnownFormat("harmony", (("<|channel|>", "<|message|>"),), whole_answer=True, efforts=("low", "medium", "high")),
    KnownFormat("gemma4", (("<|tool_call>", "call:"),), ("<|tool_call>", "<tool_call|>", '<|"|>')),
    KnownFormat(
        "solar",
        (("<|tool_call:begin|>", "<|tool_call:name|>"),),
        ("<|tool_call:begin|>", "<|tool_call:name|>", "<|tool_call:args|>"),
    ),
    KnownFormat("apertus", (("<|tools_prefix|>",),), ("<|tools_prefix|>", "<|tools_suffix|>")),
    KnownFormat("gigachat", (("<|function_call|>",), ("function call", "<|role_sep|>")), ("<|function_call|>",)),
    KnownFormat("minimax_m3", (("]<]minimax[>[", "<invoke name="),)),
    KnownFormat("minimax", (("<minimax:tool_call>", "<invoke"),)),
    KnownFormat("nemotron", (("<TOOLCALL>",),)),
    KnownFormat("dsml", (("｜DSML｜", "invoke name="), ("dsml_token", "invoke name=")), ("｜DSML｜",)),
    KnownFormat(
        "deepseek",
        (("<｜tool▁calls▁begin｜>",), ("<｜tool▁call▁begin｜>",)),
        ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"),
    ),
    KnownFormat(
        "kimi",
        (("<|tool_calls_section_begin|>",),),
        ("<|tool_calls_section_begin|>", "<|tool_call_begin|>"),
    ),
    KnownFormat(
        "kimi_k3",
        (("<|open|>", "<|close|>", "argument"),),
        ("<|open|>", "<|close|>", "<|sep|>"),
        ThoughtMarks("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
        whole_answer=True,
    ),
    KnownFormat(
        "hy3",
        (("<tool_sep", ":opensource"),),
        ("<tool_sep:opensource>", "<arg_key:opensource>"),
        ThoughtMarks("<think:opensource>", "</think:opensource>"),
    ),
    KnownFormat(
        "lfm2",
        (("<|tool_call_start|>",), ("<|tool_list_start|>",)),
        ("<|tool_call_start|>", "<|tool_call_end|>"),
    ),
    KnownFormat("glm", (("<arg_key>",),)),
    KnownFormat("tagged_functions", (("<function=", "<parameter="),)),
    KnownFormat("minicpm5", (('<function name="', '<param name="'),)),
    KnownFormat(
        "functionary_v3.2",
        ((">>>all",), (">>>", "recipient")),
        whole_answer=True,
        module="functionary",
        attribute="RECIPIENTS",
    ),
    KnownFormat("functionary_v3.1", (("<function=", "</function>"),), module="functionary", attribute="FUNCTIONS"),
    KnownFormat("phi4", (("<|tool|>", "<|/tool|>"), ("<|/tool_call|>",))),
    KnownFormat("granite", (("<|start_of_role|>", "<|tool_call|>"), ("<|start_of_role|>", "tools"))),
    KnownFormat(
        "command_r",
        (("<|START_ACTION|>",), ("Action:", "<|START_OF_TURN_TOKEN|>"), ("<|START_RESPONSE|>",)),
        whole_answer=True,
    ),
    KnownFormat("mistral", (("[TOOL_CALLS]",),)),
    KnownFormat("hermes", (("<tool_call>",),)),
    KnownFormat(
        "llama3",
        (("<|python_tag|>",), ("<|start_header_id|>", "tools"), ("<|header_start|>", "tools")),
    ),
)
"""The most particular signs come first, the most common ones last."""
BY_NAME: Final = {one.name: one for one in (*FORMATS, GENERIC, FORCED)}
