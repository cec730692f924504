"""Tests which tokens end an answer, and which of a file's templates writes a chat. The newest library, tiny models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hoshikage import gguf
from hoshikage._ffi.library import Library
from hoshikage.engine.prompt import prepare
from hoshikage.errors import GgufInvalid, ModelLoadFailed
from hoshikage.llama.ends import end_tokens
from hoshikage.llama.model import Model
from hoshikage.llama.templates import CHATML_AS_TEXT, Templates
from hoshikage.params import ChatPrompt, GenerationRequest, InfillPrompt, LoadParams, Message
from tests.tiny_decoders import write_decoder

NOW = datetime(2026, 1, 1)
CONTROL, USER_DEFINED = 3, 4
EOT, STRAY, CALL = 300, 310, 320
TURNS = "{% for m in messages %}[{{ m.role }}]{{ m.content }}<|eot|>\n{% endfor %}"


@contextmanager
def opened(library: Library, file: Path, **more: Any) -> Iterator[tuple[Model, Templates]]:
    """Opens it as the engine does."""
    params = LoadParams(str(file), controls=gguf.read(file).controls, **more)
    with closing(Model.load(library, params, lambda _progress: True)) as model:
        model.vocab.set_types(params.controls)
        templates = Templates(model, params)
        model.vocab.set_ends(end_tokens(model, templates))
        yield model, templates


def write(file: Path, template: str | None = None, **more: Any) -> Path:
    extra = {**({} if template is None else {"tokenizer.chat_template": template}), **more.pop("extra", {})}
    return write_decoder(file, extra=extra, **more)


def test_what_the_library_guesses_is_no_end_where_file_and_template_name_others(
    library: Library, tmp_path: Path
) -> None:
    """`<reponame>` is a token of SmolLM2's, and an end to the library."""
    texts = {EOT: "<|eot|>", STRAY: "<reponame>"}
    file = write(tmp_path / "a.gguf", TURNS, texts=texts, types={EOT: CONTROL, STRAY: CONTROL})
    with opened(library, file) as (model, _):
        assert model.vocab.is_guessed_end(STRAY), "else this shows nothing"
        assert model.vocab.end_tokens == {2, EOT}
        assert not model.vocab.is_eog(STRAY)


def test_the_file_s_own_eot_and_eom_are_ends(library: Library, tmp_path: Path) -> None:
    own = {"tokenizer.ggml.eot_token_id": EOT, "tokenizer.ggml.eom_token_id": CALL}
    file = write(tmp_path / "a.gguf", "{{ messages[0].content }}", extra=own)
    with opened(library, file) as (model, _):
        assert model.vocab.end_tokens == {2, EOT, CALL}


def test_what_a_template_separates_turns_with_is_no_end_beside_ends_that_it_names(
    library: Library, tmp_path: Path
) -> None:
    """gpt-oss is such: `<|end|>` stands between an answer's own messages, `<|call|>` and `<|return|>` end it."""
    template = "{% for m in messages %}{{ m.content }}<|sep|>{% endfor %}{# <|call|> <|return|> #}"
    texts = {EOT: "<|sep|>", CALL: "<|call|>", STRAY: "<|return|>"}
    file = write(tmp_path / "a.gguf", template, texts=texts, types=dict.fromkeys(texts, CONTROL))
    with opened(library, file) as (model, _):
        assert model.vocab.end_tokens == {2, CALL, STRAY}


def test_text_that_the_library_takes_for_an_end_is_text(library: Library, tmp_path: Path) -> None:
    """`</s>` closes struck-through text in Gemma's vocabulary: no end, no default stop, and it is printed."""
    file = write(
        tmp_path / "a.gguf",
        TURNS,
        texts={2: "<eos>", STRAY: "</s>", EOT: "<|eot|>"},
        types={EOT: CONTROL, STRAY: USER_DEFINED},
    )
    with opened(library, file) as (model, templates):
        vocab = model.vocab
        assert vocab.is_guessed_end(STRAY), "else this shows nothing"
        assert vocab.end_tokens == {2, EOT}
        assert vocab.piece(STRAY) == b"</s>"
        prompt = ChatPrompt((Message("user", "w1"),))
        usual = prepare(GenerationRequest(prompt, stop_tokens=("</s>", "<|eot|>")), templates, vocab, 512)
        assert usual.stop_tokens == {EOT}
        asked = prepare(GenerationRequest(prompt, stop=("</s>", "w9")), templates, vocab, 512)
        assert asked.stop_tokens == {STRAY}


def test_a_client_s_stop_that_is_a_control_token_ends_the_answer(library: Library, tmp_path: Path) -> None:
    texts = {EOT: "<|eot|>", CALL: "<tool>"}
    file = write(tmp_path / "a.gguf", TURNS, texts=texts, types=dict.fromkeys(texts, CONTROL))
    with opened(library, file) as (model, templates):
        request = GenerationRequest(ChatPrompt((Message("user", "w1"),)), stop=("<tool>",))
        assert prepare(request, templates, model.vocab, 512).stop_tokens == {CALL}


def test_filling_a_gap_ends_where_the_library_thinks(library: Library, tmp_path: Path) -> None:
    marks = {200: "<|fim_prefix|>", 201: "<|fim_suffix|>", 202: "<|fim_middle|>", STRAY: "<|fim_pad|>"}
    parts = zip(("pre", "suf", "mid"), marks, strict=False)
    names = {f"tokenizer.ggml.fim_{name}_token_id": token for name, token in parts}
    file = write(tmp_path / "a.gguf", TURNS, texts=marks, types=dict.fromkeys(marks, CONTROL), extra=names)
    with opened(library, file) as (model, templates):
        assert model.vocab.is_guessed_end(STRAY), "else this shows nothing"
        assert not model.vocab.is_eog(STRAY)
        gap = prepare(GenerationRequest(InfillPrompt("w1", "w2")), templates, model.vocab, 512)
        assert STRAY in gap.stop_tokens


TEMPLATES = {
    "tokenizer.chat_template": "plain {{ messages[0].content }}",
    "tokenizer.chat_template.tool_use": "tools {{ messages[0].content }}",
    "tokenizer.chat_template.rag": "rag {{ messages[0].content }}",
    "tokenizer.chat_template.rerank": "{query} {document}",
}
USER = Message("user", "w1")
CALLED = Message("assistant", None, {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]})
TOOLS = ({"type": "function", "function": {"name": "f"}},)


def asked(*turns: Message, tools: tuple[dict[str, Any], ...] = ()) -> ChatPrompt:
    return ChatPrompt(turns or (USER,), tools=tools)


def test_chats_with_tools_are_written_by_the_template_for_them(library: Library, tmp_path: Path) -> None:
    file = write(tmp_path / "a.gguf", extra=TEMPLATES)
    with opened(library, file) as (_, templates):
        words: Callable[[ChatPrompt], str] = lambda prompt: templates.render(prompt, NOW).text.split()[0]  # noqa: E731
        assert words(asked()) == "plain"
        assert words(asked(tools=TOOLS)) == "tools"
        assert words(asked(USER, CALLED, Message("tool", "1"))) == "tools"
        assert templates.source_name == "model"
    header = gguf.read(file)
    assert list(gguf.templates(header)) == ["default", "rag", "tool_use"]
    assert gguf.tool_template(header) == TEMPLATES["tokenizer.chat_template.tool_use"]
    assert gguf.tool_template(header, "rag") == TEMPLATES["tokenizer.chat_template.rag"]


def test_a_template_that_is_named_writes_all(library: Library, tmp_path: Path) -> None:
    file = write(tmp_path / "a.gguf", extra=TEMPLATES)
    with opened(library, file, template_name="rag") as (_, templates):
        assert templates.render(asked(tools=TOOLS), NOW).text == templates.render(asked(), NOW).text == "rag w1"
    with pytest.raises(ModelLoadFailed) as refused, opened(library, file, template_name="other"):
        pass
    assert refused.value.details["name"] == "other"
    with pytest.raises(GgufInvalid) as unnamed:
        gguf.require_template(file, gguf.read(file), "other")
    assert unnamed.value.details["known"] == "default, rag, tool_use"


def test_a_file_that_is_given_writes_all(library: Library, tmp_path: Path) -> None:
    file = write(tmp_path / "a.gguf", extra=TEMPLATES)
    with opened(library, file, chat_template="given {{ messages[0].content }}") as (_, templates):
        assert templates.render(asked(tools=TOOLS), NOW).text == "given w1"
        assert templates.source_name == "file"


def test_chatml_that_the_model_does_not_know_is_told(library: Library, tmp_path: Path) -> None:
    with opened(library, write(tmp_path / "a.gguf")) as (model, templates):
        assert templates.chatml_is_text
        assert templates.render(asked(), NOW).repairs == (CHATML_AS_TEXT,)
        assert model.vocab.end_tokens == {2}
    known = {300: "<|im_start|>", 301: "<|im_end|>"}
    file = write(tmp_path / "b.gguf", texts=known, types=dict.fromkeys(known, CONTROL))
    with opened(library, file) as (model, templates):
        assert not templates.chatml_is_text
        assert templates.render(asked(), NOW).repairs == ()
        assert model.vocab.end_tokens == {2, 301}
    assert gguf.read(file).has_chatml
    assert not gguf.read(tmp_path / "a.gguf").has_chatml
