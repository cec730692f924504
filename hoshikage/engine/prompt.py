"""Leads from a request to the tokens that the model is given. Engine thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from hoshikage.engine.album import Album
from hoshikage.engine.spans import Spans
from hoshikage.engine.thoughts import ThoughtLimit
from hoshikage.errors import ContextLengthExceeded, InvalidRequest
from hoshikage.llama.repair import WORDS_LOST
from hoshikage.llama.templates import Templates
from hoshikage.llama.vocab import Vocab
from hoshikage.params import (
    ChatPrompt,
    GenerationRequest,
    InfillPrompt,
    MixedPrompt,
    Overflow,
    TextPrompt,
    ThoughtBudget,
    TokenPrompt,
)
from hoshikage.params import Prompt as Prompted

ANSWER_SHARE: Final = 8
"""One in so many of the context's tokens is kept for an answer, or fewer where less is asked for, before older turns
stay."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """This is a rendered prompt that fits the context, with what ends its answer."""

    tokens: Sequence[int]
    limit: int
    """`limit` is the most tokens to generate; prompt and answer together fit the context."""
    stop: tuple[str, ...]
    stop_tokens: frozenset[int]
    special: Mapping[int, bytes]
    """`special` holds the control tokens that have a text in this answer."""
    repairs: tuple[str, ...]
    tail: str
    """`repairs` and `tail` are as in wire.Started."""
    shifted: int = 0
    cut: int = 0
    """`shifted` and `cut` are as in wire.Started."""
    thoughts: ThoughtLimit | None = None
    """This bound ends the answer's thoughts."""
    held: ThoughtLimit | None = None
    """A grammar holds the answer behind these thoughts; no call is in them."""
    echo: tuple[bytes, ...] | None = None
    """`echo` holds the bytes of the tokens that are told back; None for nothing."""
    spans: Spans | None = None
    """The spans say where in the tokens pictures and sounds stand, if some do."""
    left_out: tuple[str, ...] = ()
    """`left_out` has the places and kinds of the history's pictures and sounds that could not be used, for
    wire.Started."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """These are a prompt's tokens, and what else is known of it."""

    tokens: list[int]
    param: str
    repairs: tuple[str, ...] = ()
    tail: str = ""
    shifted: int = 0


def prepare(
    request: GenerationRequest,
    templates: Templates,
    vocab: Vocab,
    n_ctx: int,
    overflow: Overflow = "error",
    album: Album | None = None,
) -> Prompt:
    """Renders, tokenizes and measures the request's prompt. `overflow` stands for what the request does not say.

    Raises TemplateRefused, InvalidRequest for a prompt without a token, ContextLengthExceeded where no room is left
    for one generated token; and what `Album.tokens` raises.
    """
    opened = _opened(request.prompt, templates, vocab, album, request.scope)
    shifts = (request.context_overflow or overflow) == "shift"
    if shifts and isinstance(request.prompt, ChatPrompt) and len(opened.tokens) > (room := _room(request, n_ctx)):
        opened = _shifted(
            opened, request.prompt, lambda prompt: _opened(prompt, templates, vocab, album, request.scope), room
        )
    cut = 0
    if shifts and isinstance(request.prompt, ChatPrompt) and request.prompt.before:
        cut = max(0, min(len(request.prompt.before), len(opened.tokens) - room)) if not opened.shifted else 0
    tokens = opened.tokens[cut:]
    count = len(tokens)
    wants_bos = vocab.add_bos and not isinstance(request.prompt, TokenPrompt)
    if wants_bos and tokens[:1] != [vocab.bos]:
        tokens.insert(0, vocab.bos)
    if not tokens:
        raise InvalidRequest("engine.prompt_empty", param=opened.param)
    room = n_ctx - len(tokens)
    if room < (0 if request.max_tokens == 0 else 1):
        raise ContextLengthExceeded(
            "engine.context_exceeded", param=opened.param, n_prompt_tokens=len(tokens), n_ctx=n_ctx
        )
    special = ((vocab.control_token(text), text.encode()) for text in request.special_text)
    return Prompt(
        tokens=tokens,
        limit=room if request.max_tokens is None else min(room, request.max_tokens),
        stop=request.stop,
        stop_tokens=_stop_tokens(request, vocab),
        special={token: text for token, text in special if token is not None},
        repairs=opened.repairs,
        shifted=opened.shifted,
        cut=cut,
        tail=opened.tail,
        thoughts=None if request.grammar else _limit(request.thoughts, opened.tail, vocab, "\n\n"),
        held=_limit(request.thoughts if request.calls is None else request.calls.thoughts, opened.tail, vocab)
        if request.grammar or request.calls
        else None,
        echo=_shown(request.prompt, tokens[-count:] if count else [], vocab) if request.echo else None,
        spans=None if album is None else album.spans(tokens),
        left_out=() if album is None else tuple(f"{place}: {kind}" for place, kind in album.left_out.items()),
    )


def _room(request: GenerationRequest, n_ctx: int) -> int:
    """Most tokens of a prompt that older turns are left out of: an answer needs some, too, and BOS one."""
    wanted = n_ctx // ANSWER_SHARE if request.max_tokens is None else min(request.max_tokens, n_ctx // ANSWER_SHARE)
    return n_ctx - max(wanted, 1) - 1


def _shifted(opened: _Opened, prompt: ChatPrompt, render: Callable[[ChatPrompt], _Opened], room: int) -> _Opened:
    """The prompt without as many of its oldest turns as it takes, or `opened` where the newest turn alone is too long.

    A turn is a user's message with all that answers it. What is said to the model (system, developer) stays.
    """
    starts = [index for index, message in enumerate(prompt.messages) if message.role == "user"]
    fewest, maximum = 1, len(starts) - 1
    result: _Opened | None = None
    while fewest <= maximum:
        count = (fewest + maximum) // 2
        kept = tuple(
            message
            for index, message in enumerate(prompt.messages)
            if index >= starts[count] or message.role in ("system", "developer")
        )
        tried = render(replace(prompt, messages=kept, before=()))
        if len(tried.tokens) <= room:
            result, maximum = replace(tried, shifted=count), count - 1
        else:
            fewest = count + 1
    return opened if result is None else result


def _limit(budget: ThoughtBudget | None, tail: str, vocab: Vocab, behind: str = "") -> ThoughtLimit | None:
    """Makes the limit in tokens; `behind` is put in behind the mark that ends thoughts."""
    if budget is None:
        return None

    def tokens(text: str) -> tuple[int, ...]:
        return tuple(vocab.tokenize(text, parse_special=True))

    return ThoughtLimit(
        budget.tokens,
        budget.opens.encode(),
        budget.closes.encode(),
        begun=tail.rstrip().endswith(budget.opens),
        ending=tokens(f"\n{budget.closes}{behind}"),
        opening=tokens(budget.opens),
        lead_in=tokens(budget.lead_in) if budget.lead_in else (),
        always=budget.always,
    )


def _stop_tokens(request: GenerationRequest, vocab: Vocab) -> frozenset[int]:
    """Returns the client's own stops that are control tokens, and those that stop every model whose file types them so.
    What fills a gap also ends where the library thinks: it knows the tokens that stand between files."""
    own = {token for text in request.stop if (token := vocab.control_token(text)) is not None}
    usual = {token for text in request.stop_tokens if (token := vocab.control_token(text)) is not None}
    gaps = vocab.guessed_ends if isinstance(request.prompt, InfillPrompt) else frozenset()
    return frozenset({*own, *filter(vocab.is_typed_control, usual), *gaps})


def _opened(prompt: Prompted, templates: Templates, vocab: Vocab, album: Album | None, scope: str) -> _Opened:
    if isinstance(prompt, TextPrompt):
        return _Opened(_tokens(prompt.text, vocab, album, scope), "prompt")
    if isinstance(prompt, TokenPrompt):
        return _Opened(checked(prompt.tokens, vocab, "prompt"), "prompt")
    if isinstance(prompt, MixedPrompt):
        return _Opened(mixed(prompt.parts, vocab, "prompt"), "prompt")
    if isinstance(prompt, InfillPrompt):
        return _Opened(_infill(prompt, vocab), prompt.param)
    rendered = templates.render(prompt, datetime.now())
    tokens: list[int] = []
    for part in rendered.parts:
        tokens += _tokens(part.text, vocab, album, scope if part.parse_special else None)
    if prompt.before:
        before = checked(prompt.before, vocab, "context")
        tokens = before + (tokens[1:] if tokens[:1] == [vocab.bos] else tokens)
    repairs = rendered.repairs
    if prompt.media and WORDS_LOST not in repairs and _has_lost(prompt, rendered.text):
        repairs = (*repairs, WORDS_LOST)
    return _Opened(tokens, "messages", repairs, rendered.tail)


def _tokens(text: str, vocab: Vocab, album: Album | None, scope: str | None) -> list[int]:
    """Returns the text's tokens, with those of pictures and sounds in the places of their marks. `scope` says whose it
    is; None stands for a text of which nothing must become a control token."""

    def tokenized(words: str) -> list[int]:
        return vocab.tokenize(words, parse_special=False) if scope is None else vocab.tokenize_prompt(words, scope)

    if album is None:
        return tokenized(text)
    tokens: list[int] = []
    for part, medium in album.divided(text):
        tokens += tokenized(part)
        if medium is not None:
            tokens += album.read(medium, lambda words: vocab.tokenize(words, parse_special=False))
    return tokens


def _has_lost(prompt: ChatPrompt, text: str) -> bool:
    """Returns whether the template has left out a picture or sound of a message."""
    said = "\n".join(message.content or "" for message in prompt.messages)
    return any(medium.mark in said and medium.mark not in text for medium in prompt.media)


def mixed(parts: Sequence[str | int], vocab: Vocab, param: str) -> list[int]:
    """Joins texts and tokens one behind the other; texts of control tokens become those tokens. Raises
    InvalidRequest."""
    tokens: list[int] = []
    for part in parts:
        tokens += vocab.tokenize(part, parse_special=True) if isinstance(part, str) else checked([part], vocab, param)
    return tokens


def checked(tokens: Sequence[int], vocab: Vocab, param: str) -> list[int]:
    """Returns the tokens, all of them in the vocabulary: others make the library abort(). Raises InvalidRequest."""
    for token in tokens:
        if not 0 <= token < vocab.n_tokens:
            raise InvalidRequest("engine.prompt_token", param=param, token=token, n_tokens=vocab.n_tokens)
    return list(tokens)


def _infill(prompt: InfillPrompt, vocab: Vocab) -> list[int]:
    """Puts the tokens in the order prefix, suffix, middle, as llama-server has it. Texts of control tokens stay
    text."""
    fim = vocab.fim
    missing = [name for name in ("pre", "suf", "mid") if name not in fim]
    if missing:
        raise InvalidRequest(
            "engine.no_infill",
            param=prompt.param,
            place=prompt.param,
            names=", ".join(f"fim_{name}" for name in missing),
        )

    def plain(text: str) -> list[int]:
        return vocab.tokenize(text, parse_special=False)

    tokens: list[int] = []
    if prompt.files and "rep" in fim and "sep" in fim:
        tokens += [fim["rep"], *plain("myproject\n")]
        for name, text in prompt.files:
            tokens += [fim["sep"], *plain(f"{name}\n"), *plain(text)]
        tokens += [fim["sep"], *plain("filename\n")]
    else:
        for _, text in prompt.files:
            tokens += plain(f"\n\n--- snippet ---\n\n{text}\n")
    return [*tokens, fim["pre"], *plain(prompt.prefix), fim["suf"], *plain(prompt.suffix), fim["mid"]]


def _shown(prompt: object, tokens: list[int], vocab: Vocab) -> tuple[bytes, ...]:
    """Returns what each of the given tokens stands for; joined, they are the prompt's text."""
    pieces = [vocab.shown(token) if token >= 0 else b"" for token in tokens]
    if isinstance(prompt, TextPrompt) and b"".join(pieces) == b" " + prompt.text.encode():
        pieces[0] = pieces[0][1:]  # the space that SentencePiece puts in front
    return tuple(pieces)
