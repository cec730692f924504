"""Writes a model whose answers are set: what it says follows from the prompt's last token, so that all around it is
real.

One layer of a llama whose attention and feed-forward are zero: the next token depends on the last one alone, and each
token of an answer leads to the one behind it. The template ends every prompt with the mark of the answer that is due:
by how many results of tools the conversation has, or `plain` where the request has no tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from tests.engine_models import closed

N_CTX: Final = 131_072
N_HEAD: Final = 32
"""It is small, so that tens of thousands of tokens are read in seconds."""
N_FEED: Final = 32
LONGEST: Final = 24
"""One token of an answer has so many characters at most."""
END: Final = "<|im_end|>"
CONTROL: Final = ("<unk>", "<s>", "</s>", "<|im_start|>", END)
PLAIN: Final = "<|answer_plain|>"
MARK: Final = "<|answer_{}|>"
WORDS: Final = """
    the of and to in is for that with as you are on be this it or an not use from by if can your will file when tool
    command code any only should which all must before after string type description name object properties required
    parameters function integer number boolean array additional content message user system assistant response
    request output input result value path text line read write edit run shell search list task agent session model
    option default example always never do make sure other more than into about each where what how there they them
    then return error test change create directory project working instructions provided available following
"""
"""Frequent words are tokens, so that the prompts of coding agents have about as many tokens as elsewhere."""


def write(
    file: Path,
    template: str,
    answers: Sequence[str],
    *,
    plain: str = "All is well.",
    follows: Mapping[str, str] | None = None,
    n_ctx: int = N_CTX,
    controls: Iterable[str] = (),
) -> Path:
    """Writes a GGUF that answers `answers[n]` where the conversation has n results of tools, and the last where more.

    `follows`: what is said behind a single ASCII character that no answer ends a token with, such as a line break
    that was put into an answer from outside. `controls` are further control tokens.
    """
    marks = [MARK.format(number) for number in range(len(answers))]
    special = [*dict.fromkeys((*CONTROL, *controls)), PLAIN, *marks]
    bytes_at = len(special)
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * (len(special) - 1), *[gguf.TokenType.BYTE] * 256]
    for piece in _pieces(WORDS.split()):
        tokens.append(piece)
        kinds.append(gguf.TokenType.NORMAL)
    known = {text: number for number, text in enumerate(tokens)}
    used: set[str] = set()
    chains: list[tuple[int, list[int]]] = []
    starts = [*zip(marks, answers, strict=True), (PLAIN, plain), *(follows or {}).items()]
    for start, answer in starts:
        chain: list[int] = []
        for piece in _unique(answer, used, frozenset(special)):
            if piece not in known:
                known[piece] = len(tokens)
                tokens.append(piece)
                kinds.append(gguf.TokenType.NORMAL)
            chain.append(known[piece])
        chains.append((known.get(start, bytes_at + ord(start[0])), chain))
    _save(file, tokens, kinds, chains, known[END], template + _suffix(len(answers)), n_ctx)
    return file


def _suffix(count: int) -> str:
    results = "messages | selectattr('role', 'equalto', 'tool') | list | length"
    return (
        "{% if add_generation_prompt %}{% if tools %}{{ '<|answer_' ~ (["
        + results
        + f", {count - 1}] | min) ~ '|>' }}}}"
        "{% else %}" + PLAIN + "{% endif %}{% endif %}"
    )


def _pieces(words: Iterable[str]) -> list[str]:
    """Returns each word, with and without its space, and every beginning of it: tokens are merged from the left."""
    found: dict[str, None] = {}
    for word in words:
        for text in (word, f"\u2581{word}"):
            found.update(dict.fromkeys(text[:end] for end in range(2, len(text) + 1)))
    return list(found)


def _unique(text: str, used: set[str], special: frozenset[str]) -> list[str]:
    """Returns the text in pieces, none of which any answer has used: each piece must know what comes next."""
    pieces: list[str] = []
    taken: list[int] = []  # how long each piece is, to try a longer one where the rest cannot be split
    at = size = 0
    while at < len(text):
        whole = next((one for one in special if text.startswith(one, at)), None)
        sizes = [len(whole)] if whole else [*range(2, min(LONGEST, len(text) - at) + 1), 1]
        size = next(
            (one for one in sizes[sizes.index(size) + 1 if size else 0 :] if text[at : at + one] not in used), 0
        )
        if size:
            used.add(text[at : at + size])
            pieces.append(text[at : at + size])
            taken.append(size)
            at, size = at + size, 0
        else:
            assert pieces, f"an answer repeats itself too often: {text[:60]!r}"
            used.remove(pieces.pop())
            size = taken.pop()
            at -= size
    return pieces


def _save(
    file: Path,
    tokens: list[str],
    kinds: list[gguf.TokenType],
    chains: list[tuple[int, list[int]]],
    end: int,
    template: str,
    n_ctx: int,
) -> None:
    following: dict[int, int] = {}
    for start, chain in chains:
        following.update(zip((start, *chain), (*chain, end), strict=True))
    width = -(-(len(following) + 1) // 64) * 64
    embedding = np.zeros((len(tokens), width), np.float32)
    output = np.zeros((len(tokens), width), np.float32)
    embedding[:, 0] = 1  # a token that nothing follows ends the answer
    output[end, 0] = 1
    for slot, (token, after) in enumerate(following.items(), start=1):
        embedding[token] = 0
        embedding[token, slot] = 1
        output[after, slot] = 1
    writer: Any = gguf.GGUFWriter(file, "llama")
    writer.add_name("playback")
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(N_FEED)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_key_length(N_HEAD)
    writer.add_value_length(N_HEAD)
    writer.add_rope_dimension_count(N_HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores([float(len(token)) for token in tokens])
    writer.add_token_types(kinds)
    for name, number in (("unk", 0), ("bos", 1), ("eos", end)):
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(template)
    shapes = {"attn_q": (N_HEAD, width), "attn_k": (N_HEAD, width), "attn_v": (N_HEAD, width)}
    shapes |= {"attn_output": (width, N_HEAD), "ffn_gate": (N_FEED, width), "ffn_up": (N_FEED, width)}
    shapes |= {"ffn_down": (width, N_FEED)}
    for name, matrix in (("token_embd", embedding), ("output_norm", np.ones(width)), ("output", output)):
        writer.add_tensor(f"{name}.weight", matrix.astype(np.float32))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(width, np.float32))
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, np.float32))
    closed(writer, file)
