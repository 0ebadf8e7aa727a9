"""Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al., 2023, arXiv:2306.11644): GPT-J's layer."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.activations import PLAIN
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import rotation
from npformer.pretrained.tensors import Entry, whole

KINDS = ("weight", "bias")


class Phi(Llama):
    """Attention and feed-forward network in parallel, half of a head turns, biases everywhere."""

    model_types: ClassVar[tuple[str, ...]] = ("phi",)
    bare: ClassVar[tuple[str, ...]] = ("lm_head.weight", "lm_head.bias")
    activation: ClassVar[str] = "gelu_new"
    activations: ClassVar = PLAIN
    ignored_fields: ClassVar = {
        **Llama.ignored_fields,
        "embd_pdrop": "in training alone; a run has a dropout of its own",
        "resid_pdrop": "in training alone",
    }
    quirks: ClassVar = {
        **{name: q for name, q in Llama.quirks.items() if name not in ("1 + weight",
                                                                       "gelu for silu")},
        "gelu of erf": quirks.OTHER_GELU,
        "every column turns": quirks.ALL_COLUMNS,
    }  # fmt: skip

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        fields.only("qk_layernorm", False)
        return {
            **super().settings(fields),
            "parallel": True,
            "norm_type": "layer_norm",
            "layer_norm_eps": fields.take("layer_norm_eps", 1e-5),
            "attention_bias": "all",
            "feed_forward_bias": True,
            "output_bias": True,
        }

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions."""
        return rotation(fields, self.theta, fraction=0.5)

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        table = [whole("embedding.weight", "embed_tokens.weight")]
        output = "embedding" if config.tie_output else "output_proj"
        table.append(whole(f"{output}.bias", "lm_head.bias"))
        if not config.tie_output:
            table.append(whole("output_proj.weight", "lm_head.weight"))
        table += self._pairs("decoder.norm", "final_layernorm")
        for n in range(config.layers):
            ours, theirs = f"decoder.layers.{n}", f"layers.{n}"
            for own, their in (
                ("self_attn_residual.norm", "input_layernorm"),
                *((f"self_attn.{name}_proj", f"self_attn.{name}_proj") for name in "qkv"),
                ("self_attn.out_proj", "self_attn.dense"),
                ("feed_forward.linear1", "mlp.fc1"),
                ("feed_forward.linear2", "mlp.fc2"),
            ):
                table += self._pairs(f"{ours}.{own}", f"{theirs}.{their}")
        return table

    def _pairs(self, ours: str, theirs: str) -> list[Entry]:
        return [whole(f"{ours}.{kind}", f"{theirs}.{kind}") for kind in KINDS]
