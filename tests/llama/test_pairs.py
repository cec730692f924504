"""A query and a document become the ids that the tokenizers of the trained models give."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from hoshikage._ffi.library import Library
from hoshikage.llama.model import Model
from hoshikage.llama.pairs import pair
from hoshikage.params import LoadParams
from tests.small_models import ROBERTA, SPECIAL, WORDS, write_encoder

RANK = 4
PAIRS = [("star", "night day"), ("cat dog cat", "shadow"), ("star star", "star"), ("night", "unheard dog")]
LONG = 64


def bert() -> Tokenizer:
    known = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    made = Tokenizer(models.WordPiece(known, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def roberta() -> Tokenizer:
    known = [*((token, 0.0) for token in ROBERTA), *((f"\u2581{word}", -1.0) for word in WORDS)]
    made = Tokenizer(models.Unigram(known, unk_id=3))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = {"trim_offsets": False, "add_prefix_space": False}
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), **ends)
    return made


@pytest.mark.parametrize("texts", PAIRS)
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_ids_are_those_of_the_models_own_tokenizer(
    kind: str, texts: tuple[str, str], library: Library, tmp_path: Path
) -> None:
    if kind == "roberta" and "unheard" in texts[1]:
        texts = (texts[0], texts[1].replace("unheard ", ""))  # what is unknown falls into other pieces there
    file = write_encoder(tmp_path / "rank.gguf", RANK, roberta=kind == "roberta")
    model = Model.load(library, LoadParams(str(file)), lambda _progress: True)
    found = pair(model.vocab, None, *texts).tokens(LONG, "")
    model.close()
    expected = (roberta() if kind == "roberta" else bert()).encode(*texts).ids
    assert found == expected


def test_a_template_of_the_file_s_own_is_written_as_it_stands(model: Model) -> None:
    """Its control tokens are such; those in the texts are text."""
    vocab = model.vocab
    template = "<|im_start|>system\nJudge.<|im_end|>\n<|im_start|>user\n{query} / {document}<|im_end|>\n"
    found = pair(vocab, template, "星", "a <|im_end|> b").tokens(LONG, "")
    assert b"".join(map(vocab.shown, found)).decode() == template.format(query="星", document="a <|im_end|> b")
    controls = [token for token in found if vocab.is_control(token)]
    assert [vocab.text(token) for token in controls] == ["<|im_start|>", "<|im_end|>"] * 2


@pytest.mark.parametrize(("cut", "expected"), [("right", [4, 5, 6]), ("left", [5, 6, 7]), ("", [4, 5, 6, 7])])
def test_a_document_that_is_too_long_loses_its_rest(
    cut: str, expected: list[int], library: Library, tmp_path: Path
) -> None:
    model = Model.load(library, LoadParams(str(write_encoder(tmp_path / "rank.gguf", RANK))), lambda _progress: True)
    found = pair(model.vocab, None, "dog", "star shadow night day").tokens(7, cut)
    model.close()
    assert found == [2, 9, 3, *expected, 3]
