"""From a request to the tokens the model is given. Engine thread."""

from __future__ import annotations

from datetime import datetime

from hoshikage.engine.session import Prompt
from hoshikage.errors import ContextLengthExceeded, InvalidRequest
from hoshikage.llama.template import ChatTemplate
from hoshikage.llama.vocab import Vocab
from hoshikage.params import GenerationRequest


def prepare(request: GenerationRequest, template: ChatTemplate, vocab: Vocab, n_ctx: int) -> Prompt:
    """Renders, tokenizes and measures the request's prompt.

    Raises TemplateRefused, InvalidRequest for a prompt without a token, ContextLengthExceeded where no room is left
    for one generated token.
    """
    rendered = template.render(request.prompt, datetime.now())
    tokens: list[int] = []
    for part in rendered.parts:
        tokens += vocab.tokenize(part.text, parse_special=part.parse_special)
    if vocab.add_bos and vocab.bos is not None and tokens[:1] != [vocab.bos]:
        tokens.insert(0, vocab.bos)
    if not tokens:
        raise InvalidRequest("engine.prompt_empty", param="messages")
    room = n_ctx - len(tokens)
    if room < 1:
        raise ContextLengthExceeded(
            "engine.context_exceeded", param="messages", n_prompt_tokens=len(tokens), n_ctx=n_ctx
        )
    known = (vocab.control_token(text) for text in request.stop_tokens)
    special = ((vocab.control_token(text), text.encode()) for text in request.special_text)
    return Prompt(
        tokens=tokens,
        limit=room if request.max_tokens is None else min(room, request.max_tokens),
        stop=request.stop,
        stop_tokens=frozenset(token for token in known if token is not None),
        special={token: text for token, text in special if token is not None},
        repairs=rendered.repairs,
        tail=rendered.tail,
    )
