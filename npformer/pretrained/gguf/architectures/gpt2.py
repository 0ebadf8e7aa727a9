"""GPT-2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained.gguf.architecture import HEADS, LAYERS, WIDTH, Architecture, transposed

LAYER = r"blk\.(\d+)\."


class Gpt2(Architecture):
    """Matrices are (out, in), and (in, out) in the family's own files."""

    name: ClassVar[str] = "gpt2"
    model_type: ClassVar[str] = "gpt2"
    fields: ClassVar[Mapping[str, str]] = {
        "context_length": "n_positions",
        WIDTH: "n_embd",
        LAYERS: "n_layer",
        "feed_forward_length": "n_inner",
        HEADS: "n_head",
        "attention.layer_norm_epsilon": "layer_norm_epsilon",
    }
    tensors: ClassVar[Mapping[str, str]] = {
        r"token_embd\.weight": "transformer.wte.weight",
        r"position_embd\.weight": "transformer.wpe.weight",
        r"output_norm\.(weight|bias)": r"transformer.ln_f.\1",
        r"output\.weight": "lm_head.weight",
        LAYER + r"attn_norm\.(weight|bias)": r"transformer.h.\1.ln_1.\2",
        LAYER + r"ffn_norm\.(weight|bias)": r"transformer.h.\1.ln_2.\2",
        LAYER + r"attn_qkv\.(weight|bias)": r"transformer.h.\1.attn.c_attn.\2",
        LAYER + r"attn_output\.(weight|bias)": r"transformer.h.\1.attn.c_proj.\2",
        LAYER + r"ffn_up\.(weight|bias)": r"transformer.h.\1.mlp.c_fc.\2",
        LAYER + r"ffn_down\.(weight|bias)": r"transformer.h.\1.mlp.c_proj.\2",
    }
    stored: ClassVar[Mapping[str, Any]] = {
        LAYER + r"(attn_qkv|attn_output|ffn_up|ffn_down)\.weight": transposed,
    }
