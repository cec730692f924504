"""Holds the chat templates of one model, and chooses which of them writes a conversation. Used in the engine thread."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from hoshikage.errors import ModelLoadFailed
from hoshikage.llama.model import Model
from hoshikage.llama.template import CHATML, ChatTemplate, Rendered
from hoshikage.params import ChatPrompt, LoadParams

KEY: Final = "tokenizer.chat_template"
CHATML_TOKENS: Final = ("<|im_start|>", "<|im_end|>")
CHATML_AS_TEXT: Final = "chatml_as_text"
"""This repair tells that the model brings no template, and has not the tokens of the format that stands in for one."""


class Templates:
    """These are the template that was given, or named; else the model's own, of which `tool_use` writes chats with
    tools."""

    def __init__(self, model: Model, params: LoadParams) -> None:
        """Raises ModelLoadFailed where the model has no template of params.template_name."""
        vocab = model.vocab
        special = (vocab.text(vocab.bos), vocab.text(vocab.eos), vocab.control_texts())
        own = model.chat_template or model.metadata(f"{KEY}.default")
        source, for_tools = own, model.metadata(f"{KEY}.tool_use")
        if params.chat_template is not None:
            source, for_tools = params.chat_template or None, None
        elif params.template_name:
            named = own if params.template_name == "default" else model.metadata(f"{KEY}.{params.template_name}")
            if named is None:
                raise ModelLoadFailed("engine.no_template", path=params.model_path, name=params.template_name)
            source, for_tools = named, None
        self.source = CHATML if source is None else source
        """`source` is the Jinja source of chats without tools."""
        self.source_name = "file" if params.chat_template else "chatml" if source is None else "model"
        self._main = ChatTemplate(source, *special)
        self._for_tools = self._main if for_tools is None else ChatTemplate(for_tools, *special)
        self.chatml_is_text = source is None and any(vocab.control_token(text) is None for text in CHATML_TOKENS)
        """`chatml_is_text` tells whether the model does not know the tokens that its conversations are written with."""

    def render(self, prompt: ChatPrompt, now: datetime) -> Rendered:
        """Renders as ChatTemplate.render does, by the template for tools where tools are offered or were called
        before."""
        rendered = (self._for_tools if _has_tools(prompt) else self._main).render(prompt, now)
        return replace(rendered, repairs=(*rendered.repairs, CHATML_AS_TEXT)) if self.chatml_is_text else rendered


def _has_tools(prompt: ChatPrompt) -> bool:
    """Returns whether tools are offered, or were called before."""
    return bool(prompt.tools) or any(one.role == "tool" or "tool_calls" in one.extra for one in prompt.messages)
