"""This program shows pictures and plays sound in every mode of the engine, and by mtmd's own loop. LIBRARY FOLDER on
the command line; prints JSON: kind of projector -> mode -> what was answered."""

from __future__ import annotations

import ctypes
import hashlib
import io
import json
import re
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from hoshikage import wire
from hoshikage._ffi.library import Library, load
from hoshikage._ffi.mtmd import finder
from hoshikage.errors import HoshikageError
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.llama.pictures import picture
from hoshikage.llama.projector import Projector
from hoshikage.llama.sampler import likeliest
from hoshikage.llama.sounds import sound
from hoshikage.params import ChatPrompt, Counting, GenerationRequest, LoadParams, Medium, Message, SamplingParams
from tests.engine.modes_done import Engine
from tests.projector_files import write_gemma3, write_llava, write_qwen2vl, write_qwen2vl_text, write_ultravox
from tests.tiny_decoders import write_decoder

ANSWER = 12
SETTINGS: dict[str, Any] = {"n_ctx": 2048, "n_batch": 64, "n_threads": 1}
MODES: dict[str, dict[str, Any]] = {
    "one": {},
    "together": {"n_parallel": 3},
    "tight": {"n_parallel": 3},
    "prefix": {"kv_reuse": "prefix"},
    "prefix together": {"kv_reuse": "prefix", "n_parallel": 3},
    "lookup": {"speculation": "lookup"},
    "small batches": {"n_batch": 8},
    "prefix small": {"n_batch": 8, "kv_reuse": "prefix"},
    "deterministic": {"deterministic": True},
}
TIGHT = {"llava": 256, "qwen2vl": 320, "gemma3": 320, "ultravox": 512}
"""So many cells do not suffice for three of the conversations."""
ALL_MODES = "qwen2vl"
FEWER_MODES = ("one", "tight", "prefix together")
SMALL = 8
KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Path]]] = {
    "llava": (write_decoder, write_llava),
    "qwen2vl": (write_qwen2vl_text, write_qwen2vl),
    "gemma3": (write_decoder, write_gemma3),
    "ultravox": (write_decoder, write_ultravox),
}


def png(seed: int, width: int, height: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def wav(pitch: float, seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        times = np.arange(int(16_000 * seconds)) / 16_000
        writer.writeframes((np.sin(times * pitch) * 12_000).astype("<i2").tobytes())
    return file.getvalue()


def files_of(kind: str) -> tuple[bytes, bytes]:
    if kind == "ultravox":
        return wav(2_000.0, 1.5), wav(900.0, 0.7)
    return png(1, 84, 140), png(2, 112, 56)


class Conversation:
    """This is a question with media in it: for the engine, and as the bare loop's text. `{0}` and `{1}` are the
    files."""

    def __init__(self, words: str, files: tuple[bytes, ...], kind: str) -> None:
        self.files = files
        marks = [f"\ue002{number:012}" for number in range(len(files))]
        what: Literal["audio", "image"] = "audio" if kind == "ultravox" else "image"
        media = [
            Medium(what, data, hashlib.sha256(data).hexdigest(), mark) for data, mark in zip(files, marks, strict=True)
        ]
        self.media = tuple(medium for medium in media if f"{{{media.index(medium)}}}" in words)
        self.content = words.format(*marks)
        self.bare = words.format(*["<__media__>"] * len(files))
        self.order = [int(number) for number in re.findall(r"{(\d)}", words)]

    def request(self, **more: Any) -> GenerationRequest:
        prompt = ChatPrompt((Message("user", self.content),), media=self.media)
        return GenerationRequest(prompt, SamplingParams(temperature=0), max_tokens=ANSWER, return_tokens=True, **more)


def conversations(kind: str) -> list[Conversation]:
    files = files_of(kind)
    words = ("What is {0} here?", "{0}w5 w9", "w1 {0} w2 w3 {1} w4", "w1 {0} w2 w3 {1} w7 {0} w8")
    return [Conversation(each, files, kind) for each in words]


class Bare:
    """This is mtmd's own loop: mtmd_tokenize of the whole text, mtmd_helper_eval_chunks, and the likeliest token each
    time."""

    def __init__(self, library: Library, model: Path, projector: Path) -> None:
        params = LoadParams(str(model), mmproj=str(projector), **SETTINGS)
        self.model = Model.load(library, params, lambda _progress: True)
        self.context = Context.open(self.model, params)
        self.projector = Projector.open(self.model, params, 1)
        self.mtmd = library.media()
        marked = self.mtmd.params({"print_timings": 0, "n_threads": 1})
        at = self.mtmd.layout.offsets()["media_marker"]
        default = self.mtmd.api.mtmd_default_marker()
        marked.data[at : at + 8] = [*default.to_bytes(8, "little")]
        self.pointer = self.mtmd.api.mtmd_init_from_file(str(projector).encode(), self.model.pointer, marked)
        find = finder(library._files)
        self._tokenize, self._eval = find("mtmd_tokenize"), find("mtmd_helper_eval_chunks")

    def answer(self, conversation: Conversation, kind: str, n_batch: int) -> dict[str, Any]:
        api, vocab = self.mtmd.api, self.model.vocab
        text = f"<|im_start|>user\n{conversation.bare}<|im_end|>\n<|im_start|>assistant\n".encode()
        words = ctypes.create_string_buffer(text)
        head = ctypes.addressof(words).to_bytes(8, "little")
        rest = bytes([vocab.add_bos, 1])
        if self.mtmd.layout.name in ("mtmd-D80", "mtmd-E"):
            rest = len(text).to_bytes(8, "little") + rest
        given = ctypes.create_string_buffer(head + rest, 32)
        bitmaps, kept = [], []
        for number in conversation.order:
            data = conversation.files[number]
            values: Any = sound(data, 16_000) if kind == "ultravox" else picture(data)
            kept.append(values)
            if kind == "ultravox":
                bitmaps.append(api.mtmd_bitmap_init_from_audio(values.size, values.ctypes.data))
            else:
                bitmaps.append(api.mtmd_bitmap_init(values.shape[1], values.shape[0], values.ctypes.data))
        array = (ctypes.c_void_p * len(bitmaps))(*bitmaps)
        chunks = ctypes.c_void_p(api.mtmd_input_chunks_init())
        tokenize: Any = self._tokenize
        code = tokenize(ctypes.c_void_p(self.pointer), chunks, given, array, ctypes.c_size_t(len(bitmaps)))
        assert code == 0, code
        self.context.clear()
        after = ctypes.c_int32()
        evaluate: Any = self._eval
        code = evaluate(
            ctypes.c_void_p(self.pointer), ctypes.c_void_p(self.context.pointer), chunks, 0, 0,
            n_batch, ctypes.c_bool(True), ctypes.byref(after),
        )  # fmt: skip
        assert code == 0, code
        count = sum(
            api.mtmd_input_chunk_get_n_tokens(api.mtmd_input_chunks_get(chunks, at))
            for at in range(api.mtmd_input_chunks_size(chunks))
        )
        tokens: list[int] = []
        index = -1
        for position in range(after.value, after.value + ANSWER):
            token = likeliest(self.context.logits(index), self.context)
            tokens.append(token)
            if vocab.is_eog(token):
                break
            self.context.batch.clear()
            index = self.context.batch.add(token, position, 0, True)
            self.context.decode()
        api.mtmd_input_chunks_free(chunks)
        for bitmap in bitmaps:
            api.mtmd_bitmap_free(bitmap)
        return {"tokens": tokens, "prompt": count}

    def close(self) -> None:
        self.mtmd.api.mtmd_free(self.pointer)
        self.projector.close()
        self.context.close()
        self.model.close()


class Listener(Engine):
    """This is an engine that also keeps what it was told of tokens and counts."""

    def __init__(self, library: Path, model: str, **mode: Any) -> None:
        self.tokens: dict[int, dict[int, list[int]]] = {}
        super().__init__(library, model, **{**SETTINGS, **mode})

    def take(self) -> wire.Event:
        event = super().take()
        if isinstance(event, (wire.Token, wire.Finished)):
            self.tokens.setdefault(event.job, {}).setdefault(event.choice, []).extend(event.tokens)
        return event

    def told(self, job: int) -> dict[str, Any]:
        end = self.ends[job]
        if isinstance(end, wire.Failed):
            return {"error": end.key, "kind": end.kind}
        return {"tokens": self.tokens[job][0], "prompt": end.prompt_tokens, "cached": end.timings.cached_tokens}

    def count(self, request: GenerationRequest) -> int:
        self.last += 1
        self.choices[self.last] = {}
        self._worker.submit(wire.Perform(self.last, Counting(request)))
        self.finish()
        end = self.ends[self.last]
        assert isinstance(end, wire.Finished), end
        return end.prompt_tokens


def in_mode(library: Path, model: Path, projector: Path, kind: str, mode: dict[str, Any]) -> dict[str, Any]:
    engine = Listener(library, str(model), mmproj=str(projector), **mode)
    try:
        asked = conversations(kind)
        jobs = [engine.submit(each.request()) for each in asked]
        engine.finish()
        again = [engine.submit(each.request(scope="a")) for each in asked for _ in range(2)]
        engine.finish()
        return {
            "sees": [engine.model.images, engine.model.audio],
            "answers": [engine.told(job) for job in jobs],
            "again": [engine.told(job) for job in again],
            **(oddities(engine, asked, kind) if not mode else {}),
        }
    finally:
        engine.stop()


def oddities(engine: Listener, asked: list[Conversation], kind: str) -> dict[str, Any]:
    """Tries a damaged file, the wrong kind of file, one that is given up, several choices, and counts."""
    found: dict[str, Any] = {"counts": [engine.count(each.request()) for each in asked]}
    files = files_of(kind)
    broken = Conversation("w1 {0} w2", (files[0][: len(files[0]) // 2], files[1]), kind)
    nothing = Conversation("w1 {0} w2", (b"nothing", files[1]), kind)
    other = Conversation("w1 {0} w2", files, "llava" if kind == "ultravox" else "ultravox")
    jobs = {name: engine.submit(each.request()) for name, each in {"nothing": nothing, "other": other}.items()}
    if kind != "ultravox":  # half of a sound is a sound
        jobs["broken"] = engine.submit(broken.request())
    jobs["given up"] = engine.submit(asked[3].request())
    engine.cancel(jobs["given up"])
    jobs["behind"] = engine.submit(asked[0].request())
    jobs["choices"] = engine.submit(asked[2].request(choices=2))
    engine.finish()
    found |= {name: engine.told(job) for name, job in jobs.items() if name != "given up"}
    found["both choices"] = [engine.tokens[jobs["choices"]][choice] for choice in (0, 1)]
    return found


def misfit(library: Path, folder: Path, model: Path) -> dict[str, Any]:
    """Tries a projector for a model of another width, and one that is cut off."""
    narrow, cut = write_llava(folder / "mmproj-narrow.gguf", n_embd=48), folder / "mmproj-cut.gguf"
    cut.write_bytes(narrow.read_bytes()[:5000])
    return {name: refused(library, model, file) for name, file in {"narrow": narrow, "cut": cut, "text": model}.items()}


def refused(library: Path, model: Path, projector: Path) -> list[str]:
    try:
        Listener(library, str(model), mmproj=str(projector)).stop()
    except HoshikageError as error:
        return [type(error).__name__, error.key, str(error.details.get("reason", ""))]
    return []


def main() -> dict[str, Any]:
    library, folder = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = sys.argv[3:] or [*KINDS]
    found: dict[str, Any] = {}
    opened = load(library, lambda _level, _line: None)
    for kind in wanted:
        write_text, write_projector = KINDS[kind]
        model, projector = write_text(folder / f"{kind}.gguf"), write_projector(folder / f"mmproj-{kind}.gguf")
        bare = Bare(opened, model, projector)
        sizes = {"bare": SETTINGS["n_batch"], "bare small": SMALL}
        found[kind] = {
            name: [bare.answer(each, kind, size) for each in conversations(kind)] for name, size in sizes.items()
        }
        bare.close()
        for name in MODES if kind == ALL_MODES else FEWER_MODES:
            mode = {**MODES[name], **({"n_ctx": TIGHT[kind]} if name == "tight" else {})}
            found[kind][name] = in_mode(library, model, projector, kind, mode)
        if kind == "gemma3":
            found[kind]["too small"] = in_mode(library, model, projector, kind, MODES["small batches"])
        found[kind]["misfit"] = misfit(library, folder, model) if kind == "llava" else {}
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
