"""Owns where the built-in model lies; constants only, for any thread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

LABEL: Final = "hoshikage-tiny"
"""The name the model is served under."""

MODEL_PATH: Final = Path(__file__).with_name("hoshikage-tiny.gguf")
"""This is the GGUF file: llama architecture, Q8_0, at most 4 MB."""

GOLDEN_PATH: Final = Path(__file__).with_name("golden.json")
"""This file has the prompts and the ids that every sound libllama gives for them at temperature 0."""
