"""Tests libmtmd as official builds have it, in a file beside libllama: installed as a user does, and read with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from hoshikage.registry import OwnOptions, Registry
from tests.end_to_end.live import LiveServer, home_environ
from tests.media_samples import png, url
from tests.projector_files import LLAVA_TOKENS, write_llava
from tests.split_media import split
from tests.tiny_decoders import write_decoder

pytestmark = [pytest.mark.native, pytest.mark.process]


def tokens(server: LiveServer, content: object) -> int:
    """Returns what a message takes of the prompt, with a picture that is read."""
    asked = {"model": "seeing", "messages": [{"role": "user", "content": content}], "max_tokens": 1}
    told = httpx.post(f"{server.url}/v1/chat/completions", json=asked, timeout=120)
    assert told.status_code == 200, told.text
    return int(told.json()["usage"]["prompt_tokens"])


def test_an_installed_set_brings_its_libmtmd_and_is_loaded_with_it(tmp_path: Path) -> None:
    library = split(tmp_path / "build")
    home, config = tmp_path / "home", tmp_path / "home" / ".config" / "hoshikage"
    environ = home_environ(home, library, HOSHIKAGE_LIB_PATH="", N_CTX="1024")
    (home / "models").mkdir(parents=True)
    model, projector = write_decoder(home / "models" / "star.gguf"), write_llava(home / "models" / "mmproj.gguf")
    config.mkdir(parents=True)
    Registry(config / "model_map.json").add("seeing", model, [], OwnOptions({"mmproj": str(projector)}))
    with LiveServer(environ) as live:
        install = [sys.executable, "-m", "hoshikage", "lib", "install", "--from", str(library.parent)]
        done = subprocess.run(install, env=dict(live.environ), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        read = tokens(live, [{"type": "image_url", "image_url": {"url": url(png(8, 8, 40))}}])
        assert read >= tokens(live, "") + LLAVA_TOKENS
    (copy,) = (config / "lib-slots" / ".kept").iterdir()
    for folder in (config / "lib", copy):
        assert {"libllama.so", "libmtmd.so"} <= {file.name for file in folder.iterdir()}, folder
