"""Tests what a person calls a model, and which files of a repository that means."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoshikage.errors import UsageError
from hoshikage.hub import pull
from hoshikage.hub.address import Address
from hoshikage.hub.choice import RemoteFile, choose, contents, quant_of
from hoshikage.hub.sources import source

SUM = "0" * 64


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("org/Star-GGUF", Address("huggingface", "org/Star-GGUF")),
        ("org/Star-GGUF:Q8_0", Address("huggingface", "org/Star-GGUF", "Q8_0")),
        ("hf.co/org/Star-GGUF:latest", Address("huggingface", "org/Star-GGUF")),
        ("https://huggingface.co/org/Star-GGUF", Address("huggingface", "org/Star-GGUF")),
        (
            "https://huggingface.co/org/Star-GGUF/blob/v2/sub/star.gguf?download=true",
            Address("huggingface", "org/Star-GGUF", file="sub/star.gguf", revision="v2"),
        ),
        ("https://huggingface.co/org/Star-GGUF/tree/v2", Address("huggingface", "org/Star-GGUF", revision="v2")),
        ("ms:org/Star-GGUF:Q4_0", Address("modelscope", "org/Star-GGUF", "Q4_0")),
        ("https://www.modelscope.cn/models/org/Star-GGUF/files", Address("modelscope", "org/Star-GGUF")),
        ("https://star.example/a.gguf", Address("url", "https://star.example/a.gguf")),
        (f"http://star.example/a.gguf#sha256={SUM}", Address("url", "http://star.example/a.gguf", sha256=SUM)),
    ],
)
def test_names_of_models(text: str, address: Address) -> None:
    assert Address.of(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "star",
        "org/a/b/c",
        "../x/y",
        "org/Star:a b",
        "https://star.example",
        "https://star.example/a#md5=1",
        "",
        "/a/b/",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Address.of(text) if text != "/a/b/" else Address.of("a:b/c:d")


def test_a_plain_connection_needs_a_sum(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        source(Address.of("http://star.example/a.gguf"), tmp_path, {})
    assert refused.value.key == "pull.url_not_https"
    source(Address.of(f"http://star.example/a.gguf#sha256={SUM}"), tmp_path, {})


def files(*names: str) -> list[RemoteFile]:
    return [RemoteFile(name, 1000 + number) for number, name in enumerate(names)]


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("Star-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("star.q5_k_s.gguf", "Q5_K_S"),
        ("star-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("star-IQ2_XXS.gguf", "IQ2_XXS"),
        ("star-bf16-00001-of-00002.gguf", "BF16"),
        ("Q6_K/star-00001-of-00002.gguf", "Q6_K"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("Qwen3-Q1-thing-Q8_0.gguf", "Q8_0"),
        ("star.gguf", "star"),
    ],
)
def test_the_quantisation_is_read_from_the_name(name: str, quant: str) -> None:
    assert quant_of(RemoteFile(name, 1)) == quant


def test_the_usual_one_is_taken_and_a_named_one_before_it() -> None:
    found = contents(
        files("s-Q2_K.gguf", "s-Q8_0.gguf", "s-Q4_K_M.gguf", "s-Q4_K_S.gguf", "README.md", "s.imatrix.gguf")
    )
    assert [one.quant for one in found.variants] == ["Q2_K", "Q8_0", "Q4_K_M", "Q4_K_S"]
    assert choose(found, "r", None, None).variant.quant == "Q4_K_M"
    assert choose(found, "r", "q8_0", None).variant.quant == "Q8_0"
    assert choose(found, "r", None, "s-Q2_K.gguf").variant.quant == "Q2_K"
    for quant, file, key in (("Q3_K", None, "pull.quant_unknown"), (None, "x.gguf", "pull.file_unknown")):
        with pytest.raises(UsageError) as refused:
            choose(found, "r", quant, file)
        assert refused.value.key == key
    assert choose(contents(files("s-F16.gguf", "s-Q8_0.gguf")), "r", None, None).variant.quant == "Q8_0"


def test_the_parts_of_a_split_model_are_one() -> None:
    parts = [f"Q8_0/s-0000{number}-of-00003.gguf" for number in (3, 1, 2)]
    found = contents(files(*parts, "s-Q4_K_M.gguf"))
    whole = choose(found, "r", "Q8_0", None)
    assert [file.path for file in whole.files] == sorted(parts)
    assert choose(found, "r", None, parts[0]).variant == whole.variant
    with pytest.raises(UsageError) as torn:
        choose(contents(files(*parts[:2])), "r", None, None)
    assert (torn.value.key, torn.value.details["names"]) == ("pull.parts_missing", "s-00002-of-00003.gguf")


def test_what_lies_beside_a_model_comes_with_it() -> None:
    small = RemoteFile("s-draft-Q8_0.gguf", 10)
    found = contents([*files("s-Q4_K_M.gguf", "mmproj-s-Q8_0.gguf", "mmproj-s-f16.gguf", "s-lora.gguf"), small])
    wanted = choose(found, "r", None, None)
    assert [file.path for file in wanted.files] == ["s-Q4_K_M.gguf", "mmproj-s-f16.gguf", "s-draft-Q8_0.gguf"]
    assert choose(contents(files("a-Q8_0.gguf")), "r", None, None).files == tuple(files("a-Q8_0.gguf"))


def test_nothing_and_several_are_told() -> None:
    with pytest.raises(UsageError) as nothing:
        choose(contents(files("model.safetensors")), "org/x", None, None)
    assert nothing.value.key == "pull.no_gguf"
    with pytest.raises(UsageError) as several:
        choose(contents(files("a-Q4_K_M.gguf", "b-Q4_K_M.gguf")), "org/x", None, None)
    assert several.value.details["names"] == "a-Q4_K_M.gguf, b-Q4_K_M.gguf"


@pytest.mark.parametrize(
    ("address", "name", "label"),
    [
        ("org/Star-8B-GGUF", "s-Q4_K_M.gguf", "star-8b"),
        ("org/gguf", "s.gguf", "model"),
        ("https://x.example/a/Star%208B.Q4.gguf", "Star 8B.Q4.gguf", "star-8b.q4"),
        ("https://x.example/s-00001-of-00002.gguf", "s-00001-of-00002.gguf", "s"),
    ],
)
def test_a_label_for_what_nobody_named(address: str, name: str, label: str) -> None:
    other = [name.replace("00001", "00002")] if "00001" in name else []
    wanted = choose(contents(files(name, *other)), "r", None, None)
    assert pull.label_for(Address.of(address), wanted) == label
