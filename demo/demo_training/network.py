"""Owns the network and its training (PyTorch, CPU): llama's architecture with neighbouring-pair RoPE."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

IGNORED = -100
LENGTH_GRAIN = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """These are the sizes; each is a multiple of 32, Q8_0's block. Heads of 64 suit every flash-attention kernel."""

    vocab: int
    layers: int = 5
    width: int = 192
    heads: int = 3
    kv_heads: int = 1
    ffn: int = 512
    eps: float = 1e-5
    rope_base: float = 10000.0

    @property
    def head(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class Plan:
    """This says how long and how fast to learn. `tokens` is a step's size, padding included."""

    steps: int
    tokens: int
    rate: float
    seed: int
    warmup: int = 60


class Norm(nn.Module):
    """This is the RMS norm."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.eps)


class Block(nn.Module):
    """This is one layer; module names are the GGUF tensor names."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        wide, narrow = shape.heads * shape.head, shape.kv_heads * shape.head
        self.attn_norm = Norm(shape.width, shape.eps)
        self.attn_q = nn.Linear(shape.width, wide, bias=False)
        self.attn_k = nn.Linear(shape.width, narrow, bias=False)
        self.attn_v = nn.Linear(shape.width, narrow, bias=False)
        self.attn_output = nn.Linear(wide, shape.width, bias=False)
        self.ffn_norm = Norm(shape.width, shape.eps)
        self.ffn_gate = nn.Linear(shape.width, shape.ffn, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.ffn, bias=False)
        self.ffn_down = nn.Linear(shape.ffn, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, count, _ = x.shape
        y = self.attn_norm(x)
        q, k, v = (
            layer(y).view(batch, count, heads, self.shape.head).transpose(1, 2)
            for layer, heads in (
                (self.attn_q, self.shape.heads),
                (self.attn_k, self.shape.kv_heads),
                (self.attn_v, self.shape.kv_heads),
            )
        )
        share = self.shape.heads // self.shape.kv_heads
        k, v = rotate(k, cos, sin).repeat_interleave(share, 1), v.repeat_interleave(share, 1)
        mixed = functional.scaled_dot_product_attention(rotate(q, cos, sin), k, v, is_causal=True)
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, count, -1))
        y = self.ffn_norm(x)
        out: Tensor = x + self.ffn_down(functional.silu(self.ffn_gate(y)) * self.ffn_up(y))
        return out


class Network(nn.Module):
    """The network makes logits of tokens; the output matrix is the embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = Norm(shape.width, shape.eps)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                spread = 0.04 / (math.sqrt(2 * shape.layers) if deep else 1)
                nn.init.normal_(weight, std=spread)

    def forward(self, ids: Tensor) -> Tensor:
        cos, sin = rope_tables(ids.shape[1], self.shape)
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, cos, sin)
        return functional.linear(self.output_norm(x), self.token_embd.weight)


def rope_tables(count: int, shape: Shape) -> tuple[Tensor, Tensor]:
    rates = shape.rope_base ** (-torch.arange(0, shape.head, 2) / shape.head)
    turns = torch.arange(count)[:, None] * rates
    return turns.cos(), turns.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Applies RoPE over neighbouring pairs: llama.cpp's layout for "llama", so no weight needs permuting."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


Sample = tuple[Sequence[int], Sequence[bool]]


def batches(draw: Callable[[], Sample], plan: Plan) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields (ids, targets) without end. Samples wait in line with others of like length: padding is wasted work, and
    few distinct shapes keep PyTorch's CPU kernels and their memory few."""
    waiting: dict[int, list[Sample]] = {}
    while True:
        sample = draw()
        length = -(-len(sample[0]) // LENGTH_GRAIN) * LENGTH_GRAIN
        group = waiting.setdefault(length, [])
        group.append(sample)
        if (len(group) + 1) * length > plan.tokens:
            yield stack(waiting.pop(length), length)


def stack(group: list[Sample], length: int) -> tuple[Tensor, Tensor]:
    """Makes one padded batch; a target is the next id where that is learned."""
    ids = torch.zeros(len(group), length, dtype=torch.long)
    targets = torch.full((len(group), length), IGNORED)
    for row, (tokens, learned) in enumerate(group):
        line = torch.tensor(tokens)
        ids[row, : len(tokens)] = line
        targets[row, : len(tokens) - 1] = torch.where(torch.tensor(learned[1:]), line[1:], IGNORED)
    return ids, targets


def train(
    network: Network, draw: Callable[[], Sample], plan: Plan, report: Callable[[str], None], reduced: bool
) -> None:
    """Fits the network in place. `reduced` computes in bfloat16, several times faster where the CPU has it."""
    matrices = [weight for weight in network.parameters() if weight.dim() == 2]
    vectors = [weight for weight in network.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98))
    started = time.monotonic()
    seen, shown = 0, 0.0
    for step, (ids, targets) in zip(range(plan.steps), batches(draw, plan), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * pace(step, plan)
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            logits = network(ids)
        loss = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        seen += ids.numel()
        shown = loss.item() if step == 0 else 0.95 * shown + 0.05 * loss.item()
        if step % 50 == 0 or step == plan.steps - 1:
            spent = time.monotonic() - started
            report(f"step {step:5d}  loss {shown:.4f}  {seen / spent:,.0f} tokens/s  {spent:.0f} s")


def pace(step: int, plan: Plan) -> float:
    """Returns the share of the top rate: a linear rise, then a cosine fall to a fiftieth."""
    if step < plan.warmup:
        return (step + 1) / plan.warmup
    done = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))
