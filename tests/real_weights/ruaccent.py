"""ruaccent-predictor, MIT: the paper's own architecture puts stress marks into Russian words.

Encoder and decoder of 4 layers, 7.5 M parameters, characters; PyTorch's ``nn.Transformer``, which
has a norm after each stack, and an output projection of its own with a bias.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from npformer.decode.greedy import greedy
from npformer.models.transformer import TransformerConfig
from npformer.ops.positions import sinusoidal_positions
from npformer.pretrained.tensors import Entry, fused, whole
from tests.real_weights.encoder_decoder import (
    KINDS,
    both,
    loaded,
    of_numpy,
    of_torch,
    state_dict,
    wide,
)
from tests.real_weights.packages import fetched
from tests.real_weights.report import row, runs, upstream

PACKAGE = "ruaccent-predictor==1.2.0"
WEIGHTS, VOCABULARY = "ruaccent/model/acc_model.pt", "ruaccent/model/vocab.json"
SENTENCES = ("мама мыла раму.", "Я открыл старый замок, а потом мы пошли в замок на горе.")
IGNORED = {r"embed\.pos_encoding": "sines and cosines, which are computed"}
BEGIN, END = 1, 2
CONFIG = TransformerConfig(
    vocab_size=224, d_model=256, heads=8, d_ff=1024, encoder_layers=4, decoder_layers=4,
    max_length=256, norm="post", last_norm=True, tie_output=False, output_bias=True, dropout=0.0,
)  # fmt: skip


def entries() -> list[Entry]:
    """The table of parameters and tensors."""
    table = [whole("embedding.weight", "embed.char_embed.weight")]
    table += both("output_proj", "output_proj")
    for stack, names in (
        ("encoder", {"self_attn": "self_attn"}),
        ("decoder", {"self_attn": "self_attn", "cross_attn": "multihead_attn"}),
    ):
        table += both(f"{stack}.norm", f"transformer.{stack}.norm")
        for n in range(4):
            ours, theirs = f"{stack}.layers.{n}", f"transformer.{stack}.layers.{n}"
            for own, their in names.items():
                for kind in KINDS:
                    parts = [f"{ours}.{own}.{name}_proj.{kind}" for name in "qkv"]
                    table.append(fused(parts, f"{theirs}.{their}.in_proj_{kind}"))
                table += both(f"{ours}.{own}.out_proj", f"{theirs}.{their}.out_proj")
            for at, own in enumerate([*names, "feed_forward"], 1):
                table += both(f"{ours}.{own}_residual.norm", f"{theirs}.norm{at}")
            for name in ("linear1", "linear2"):
                table += both(f"{ours}.feed_forward.{name}", f"{theirs}.{name}")
    return table


class Embed(nn.Module):
    """Characters times sqrt(D), and their positions."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.char_embed = nn.Embedding(224, 256, padding_idx=0)
        self.table = torch.from_numpy(sinusoidal_positions(256, 256, dtype=dtype))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.char_embed(ids) * math.sqrt(256) + self.table[: ids.shape[1]]


class Reference(nn.Module):
    """PyTorch's own Transformer with the names of the file."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.embed = Embed(dtype)
        self.transformer = nn.Transformer(256, 8, 4, 4, 1024, 0.0, batch_first=True)
        self.output_proj = nn.Linear(256, 224)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        x, y = self.embed(source), self.embed(target)
        return self.output_proj(self.transformer(x, y, tgt_mask=mask.to(x.dtype)))


def main(wheels: Path) -> str:
    """What it marks is printed; its row."""
    files = fetched(PACKAGE, wheels)
    tensors = state_dict(files / WEIGHTS)
    vocabulary = json.loads((files / VOCABULARY).read_text(encoding="utf-8"))
    letters = {i: letter for letter, i in vocabulary.items()}
    table = entries()
    model = loaded(CONFIG, table, tensors, np.float32, IGNORED)
    pairs = []
    for sentence in SENTENCES:
        source = np.array([[BEGIN, *(vocabulary[letter] for letter in sentence), END]])
        (found,) = greedy(model, source, bos=BEGIN, eos=END, max_length=200)
        print(f"{sentence} -> {''.join(letters[i] for i in found)}")
        pairs.append((source, np.array([[BEGIN, *found]])))
    source, target = pairs[-1]
    dlogits = upstream((*target.shape, CONFIG.vocab_size))

    def reference(dtype: Any) -> nn.Module:
        module = Reference(dtype)
        missing, unexpected = module.load_state_dict(tensors, strict=False)
        assert not missing and unexpected == ["embed.pos_encoding"]
        return wide(module, dtype)

    result = runs(
        lambda dtype: of_numpy(
            loaded(CONFIG, table, tensors, dtype, IGNORED), table, source, target, dlogits
        ),
        lambda dtype: of_torch(reference(dtype), source, target, dlogits),
    )
    return row("ruaccent", f"`{PACKAGE}`", "MIT", *result.cells())
