"""Holds what the header of a GGUF file says. Values; no thread of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hoshikage.frozen import Frozen

PROJECTOR: Final = "clip"
"""Projectors have this architecture, also those without a type."""
Scalar = int | float | bool | str


class Split(Frozen, frozen=True):
    """This is one of the files of a model that was split."""

    number: int
    """`number` is the file's place among the parts, the first of which is 0."""
    count: int


class GgufHeader(Frozen, frozen=True):
    """A GgufHeader holds what a GGUF says of its model, without the weights."""

    version: int
    size_bytes: int
    """`size_bytes` is the length of the file."""
    architecture: str
    kind: str
    """`kind` is `general.type`: `model`, or `adapter`, `mmproj` and others that cannot chat by themselves."""
    name: str
    """`name` is empty where the file has none."""
    n_params: int
    """`n_params` counts the elements of all tensors of this file."""
    n_tensors: int
    file_type: str
    """`file_type` is such as `Q4_K_M`; where the file does not say, the type that holds most of its bytes."""
    context_length: int
    """Tokens the model was trained on; 0 where the file does not say."""
    n_vocab: int
    controls: tuple[int, ...] | None
    """`controls` are the tokens whose type is CONTROL; None where the file has no types."""
    has_chatml: bool
    """`has_chatml` tells whether the vocabulary has ChatML's tokens."""
    marks: frozenset[str]
    """`marks` are the texts of its tokens that stand in pointed or square brackets."""
    chat_template: str | None
    split: Split | None
    values: Mapping[str, Scalar]
    """`values` has every number and string of the metadata."""
    arrays: Mapping[str, tuple[int, ...]]
    """`arrays` has its short arrays of whole numbers, such as those with one for each layer."""


class Tensor(Frozen, frozen=True):
    """A Tensor says where a tensor lies, and of what type it is (ggml_type)."""

    name: str
    kind: int
    dimensions: int
    elements: int
    size: int
    """`size` is in bytes."""
    offset: int
    """`offset` counts from the start of the data, as the file says."""
