"""Finds the tokens that end an answer. Used in the engine thread.

The library takes more and more tokens for ends by their texts alone: from b4980 on `</s>`, which closes struck-through
text in Gemma's vocabulary, from b5590 on `<reponame>`, which is a word in SmolLM2's. So its word counts only for tokens
that the model's file or template names as well, and for files that name none at all.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from hoshikage.errors import TemplateRefused
from hoshikage.llama.model import Model
from hoshikage.llama.templates import Templates
from hoshikage.llama.vocab import Vocab
from hoshikage.params import ChatPrompt, Message

NAMES: Final = ("eos", "eot", "eom")
SAID: Final = "7a25c3"
"""Stands for an answer; no template writes it by itself."""


def end_tokens(model: Model, templates: Templates) -> frozenset[int] | None:
    """Returns the tokens that end an answer, which the file names and the template writes; None leaves them to the
    library."""
    vocab = model.vocab
    named = {name: token for name in NAMES if (token := _named(model, name)) is not None}
    known = {
        token
        for text in vocab.control_texts()
        if text in templates.source and (token := vocab.control_token(text)) is not None and vocab.is_guessed_end(token)
    }
    ends = {*named.values(), *known}
    if not {"eot", "eom"} & named.keys() and not known - {named.get("eos")} and not templates.chatml_is_text:
        ends |= turn_ends(templates, vocab)
    return frozenset(ends) if ends else None


def turn_ends(templates: Templates, vocab: Vocab) -> set[int]:
    """Finds the control token that the template writes behind an answer."""
    turns = (Message("user", "?"), Message("assistant", SAID))
    try:
        text = templates.render(ChatPrompt(turns, add_generation_prompt=False), datetime(2026, 1, 1)).text
    except TemplateRefused:
        return set()
    behind = text.rpartition(SAID)[2].lstrip() if SAID in text else ""
    controls = sorted(vocab.control_texts(), key=len, reverse=True)
    met = re.match("|".join(map(re.escape, controls)), behind) if controls else None
    token = vocab.control_token(met[0]) if met is not None else None
    return set() if token is None else {token}


def _named(model: Model, name: str) -> int | None:
    text = model.metadata(f"tokenizer.ggml.{name}_token_id")
    return int(text) if text is not None and text.isdigit() and int(text) < model.vocab.n_tokens else None
