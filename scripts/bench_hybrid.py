"""Makes a model of LFM2's kind to measure with: short convolutions, which keep a state, and attention. Main thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bench_models import N_VOCAB, Shape

KERNEL: Final = 3
"""A convolution looks at so many inputs."""
TAP: Final = 0.3


@dataclass(frozen=True, slots=True)
class Hybrid(Shape):
    """This is an LFM2-architecture model."""

    architecture: ClassVar[str] = "lfm2"
    attends: tuple[int, ...] = ()
    """The layers in `attends` have attention; the others have a convolution."""

    def describe(self, writer: Any) -> None:
        writer.add_head_count_kv([self.n_head_kv if layer in self.attends else 0 for layer in range(self.n_layer)])
        writer.add_shortconv_l_cache(KERNEL)

    def matrices(self) -> Iterator[tuple[str, int, int]]:
        yield "token_embd.weight", N_VOCAB, self.n_embd
        for layer in range(self.n_layer):
            at = f"blk.{layer}"
            if layer in self.attends:
                yield f"{at}.attn_q.weight", self.n_embd, self.n_embd
                yield f"{at}.attn_k.weight", self.n_embd_kv, self.n_embd
                yield f"{at}.attn_v.weight", self.n_embd_kv, self.n_embd
                yield f"{at}.attn_output.weight", self.n_embd, self.n_embd
            else:
                yield f"{at}.shortconv.in_proj.weight", 3 * self.n_embd, self.n_embd
                yield f"{at}.shortconv.out_proj.weight", self.n_embd, self.n_embd
            yield f"{at}.ffn_gate.weight", self.n_ff, self.n_embd
            yield f"{at}.ffn_up.weight", self.n_ff, self.n_embd
            yield f"{at}.ffn_down.weight", self.n_embd, self.n_ff

    def vectors(self) -> Iterator[tuple[str, tuple[int, ...], float]]:
        yield "token_embd_norm.weight", (self.n_embd,), 1.0
        for layer in range(self.n_layer):
            at = f"blk.{layer}"
            yield f"{at}.attn_norm.weight", (self.n_embd,), 1.0
            yield f"{at}.ffn_norm.weight", (self.n_embd,), 1.0
            if layer in self.attends:
                yield f"{at}.attn_q_norm.weight", (self.n_embd // self.n_head,), 1.0
                yield f"{at}.attn_k_norm.weight", (self.n_embd // self.n_head,), 1.0
            else:
                yield f"{at}.shortconv.conv.weight", (self.n_embd, KERNEL), TAP


LFM2: Final = Hybrid("lfm2", n_layer=16, n_embd=1024, n_head=16, n_head_kv=8, n_ff=4608, attends=(2, 5, 8, 10, 12, 14))
"""These are the layers of LFM2-350M."""
