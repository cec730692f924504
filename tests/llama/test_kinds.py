"""Models that cannot be served, or not for text, say so at their load; heads that KV types do not fit, too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoshikage._ffi.library import Library
from hoshikage.dispatch.libraries import check_model
from hoshikage.engine.costs import BatchCost
from hoshikage.engine.draft_model import DraftModel
from hoshikage.errors import InferenceFailed, ModelLoadFailed
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.context import Context
from hoshikage.llama.embedder import Embedder
from hoshikage.llama.kinds import purposes
from hoshikage.llama.loading import open_model
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import Sampler
from hoshikage.params import LoadParams, SamplingParams
from tests.conftest import RELEASES
from tests.gguf_files import STRING, Gguf
from tests.llama.test_load_settings import load
from tests.llama.test_sampling import generated
from tests.small_models import write_encoder
from tests.tiny_decoders import write_decoder, write_t5

RANK = 4
KINDS = [("t5", "encoder-decoder"), ("dream", "diffusion"), ("llada", "diffusion"), ("wavtokenizer-dec", "speech")]


def no_progress(_progress: float) -> bool:
    return True


@pytest.mark.parametrize(("architecture", "kind"), KINDS)
def test_the_server_refuses_by_the_header_alone(architecture: str, kind: str, tmp_path: Path) -> None:
    file = Gguf().with_pair("general.architecture", STRING, architecture).write(tmp_path / "a.gguf")
    with pytest.raises(ModelLoadFailed) as refused:
        check_model(file)
    assert (refused.value.key, refused.value.details["kind"]) == ("model.kind_unserved", kind)
    assert refused.value.details["architecture"] == architecture


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_the_runner_refuses_before_anything_is_computed(
    release: str, libraries: dict[str, Path], tmp_path: Path
) -> None:
    (t5,) = load(libraries[release], write_t5(tmp_path / "t5.gguf", decoder=True), {})
    assert (t5["error"], t5["key"]) == ("ModelLoadFailed", "model.kind_unserved")
    assert t5["details"]["kind"] == "encoder-decoder"


def test_a_model_that_fills_in_a_text_is_refused_by_the_library_s_word(library: Library, tmp_path: Path) -> None:
    file = write_decoder(tmp_path / "dream.gguf", "dream")
    with pytest.raises(ModelLoadFailed) as refused:
        open_model(library, LoadParams(str(file), n_ctx=64, n_threads=1), no_progress)
    assert refused.value.details["kind"] == "diffusion"


@pytest.mark.parametrize("made", [write_encoder, write_t5])
def test_a_draft_must_write(made: Any, library: Library, model: Model, tmp_path: Path) -> None:
    file = tmp_path / "small.gguf"
    made(file, RANK) if made is write_encoder else made(file, decoder=True)
    params = LoadParams(model_path="large", draft_path=str(file), n_ctx=64, n_threads=1)
    with pytest.raises(ModelLoadFailed) as refused:
        DraftModel.open(library, params, model.vocab, BatchCost(32), no_progress)
    assert refused.value.key == ("engine.draft_kind" if made is write_encoder else "model.kind_unserved")


def test_what_a_model_is_for(library: Library, model: Model, tmp_path: Path) -> None:
    assert purposes(model) == ("text", "embeddings")
    for file, expected in (
        (write_encoder(tmp_path / "rank.gguf", RANK), ("rerank",)),
        (write_encoder(tmp_path / "mean.gguf", 1), ("embeddings",)),
        (write_t5(tmp_path / "t5.gguf", decoder=False), ("embeddings",)),
        (write_decoder(tmp_path / "ranks.gguf", extra={"llama.pooling_type": RANK}), ("rerank",)),
    ):
        other = Model.load(library, LoadParams(str(file)), no_progress)
        assert purposes(other) == expected
        other.close()


def test_an_encoder_of_t5_sees_a_text_whole(library: Library, tmp_path: Path) -> None:
    """It sees 200 tokens in one piece, whatever N_BATCH is."""
    model = Model.load(library, LoadParams(str(write_t5(tmp_path / "t5.gguf", decoder=False))), no_progress)
    tokens = [3 + number * 7 % 80 for number in range(200)]
    vectors = []
    for n_batch in (64, 512):
        params = LoadParams("", n_ctx=512, n_batch=n_batch, n_threads=1)
        embedder = Embedder.open(model, params, Adapters(model, params))
        vectors.append(embedder.embed(tokens, None, lambda _done: None))
        embedder.close()
    model.close()
    one, other = vectors
    assert one is not None
    assert other is not None
    assert float(one @ other) == pytest.approx(1.0, abs=1e-6)
    assert one.std() > 0.01


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_a_t5_encoder_embeds_with_every_release(release: str, libraries: dict[str, Path], tmp_path: Path) -> None:
    """On the old ones llama_decode would end the process."""
    works = [["Embedding", [["w1 w2 w3 " * 60, "w5 w6"]]], ["TextPrompt", ["w1"]]]
    wanted = [[str(write_t5(tmp_path / "t5.gguf", decoder=False)), works]]
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.work_done", str(libraries[release])],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    embedded, chat = json.loads(done.stdout)[0]
    assert embedded["prompt_tokens"] == 185
    one, other = (np.array(vector) for vector in embedded["vectors"])
    assert abs(float(one @ other)) < 0.99
    assert chat["error"] == "engine.no_writer"


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_types_that_do_not_fit_the_heads_are_refused(release: str, libraries: dict[str, Path], tmp_path: Path) -> None:
    """The heads are of 48: NaN or garbage where the library lets it happen, with flash attention and without."""
    asked: list[dict[str, Any]] = [
        {"type_k": "q8_0"},
        {"type_k": "q8_0", "flash_attn": "off"},
        {"type_v": "q4_0"},
        {"type_k": "q4_0", "type_v": "q8_0", "flash_attn": "on"},
    ]
    found = load(libraries[release], write_decoder(tmp_path / "48.gguf", head=48), *asked)
    for settings, outcome in zip(asked, found, strict=True):
        name = next(iter(settings))
        assert (outcome["key"], outcome["status"]) == ("engine.kv_block", 400)
        assert outcome["details"] == {"name": name.upper(), "type": settings[name], "size": 48, "block": 32}


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_types_that_fit_the_heads_compute_nearly_the_same(
    release: str, libraries: dict[str, Path], tmp_path: Path
) -> None:
    """Keys are in blocks without flash attention, too."""
    settings: list[dict[str, Any]] = [{}, {"type_k": "q8_0"}, {"type_k": "q8_0", "flash_attn": "off"}]
    plain, blocks, slow = load(libraries[release], write_decoder(tmp_path / "32.gguf", head=32), *settings)
    assert plain["ids"][:6] == blocks["ids"][:6] == slow["ids"][:6]


def test_the_sizes_that_a_file_names_count(library: Library, tmp_path: Path) -> None:
    """Heads of 48 by the division, but the file says 64."""
    file = write_decoder(
        tmp_path / "a.gguf", head=64, extra={"llama.attention.key_length": 64, "llama.attention.value_length": 64}
    )
    model, context = open_model(
        library, LoadParams(str(file), n_ctx=64, n_threads=1, type_k="q8_0", type_v="q8_0"), no_progress
    )
    assert len(generated(model, context, SamplingParams(temperature=0), 4)) == 4
    context.close()
    model.close()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_results_that_are_no_numbers_name_the_settings(model: Model, temperature: float) -> None:
    """This is so where the library's own samplers draw, too, which take NaN for a number."""
    context = Context.open(model, LoadParams("", n_ctx=64, n_threads=1, flash_attn="off"))
    sampling = SamplingParams(temperature=temperature, seed=1)
    context.batch.clear()
    index = context.batch.add(5, 0, 0, True)
    assert context.decode()
    context.logits(index)[:] = np.nan
    sampler = Sampler.open(model, context, sampling)
    with pytest.raises(InferenceFailed) as refused:
        sampler.sample(index)
    assert refused.value.key == "engine.logits_invalid"
    assert refused.value.details == {"type_k": "f16", "type_v": "f16", "flash_attn": "off"}
    sampler.close()
    context.close()
