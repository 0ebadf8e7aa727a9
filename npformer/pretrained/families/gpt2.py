"""GPT-2 (Radford et al., 2019)."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.activations import PLAIN
from npformer.pretrained.family import Family
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry, fused, transposed, whole


class Gpt2(Family):
    """Matrices are (in, out) in the file, and queries, keys and values one of them."""

    model_types: ClassVar[tuple[str, ...]] = ("gpt2",)
    prefixes: ClassVar[tuple[str, ...]] = ("transformer.",)
    ignored_fields: ClassVar = {
        "n_ctx": "an older name of n_positions",
        "output_past": "of the library's outputs",
        "reorder_and_upcast_attn": "the order of a product, and its precision",
        "embd_pdrop": "in training alone; a run has a dropout of its own",
        "resid_pdrop": "in training alone",
        "attn_pdrop": "in training alone",
        "summary_type": "of a classifier's head",
        "summary_use_proj": "of a classifier's head",
        "summary_activation": "of a classifier's head",
        "summary_proj_to_labels": "of a classifier's head",
        "summary_first_dropout": "of a classifier's head",
        "pad_token_id": "the embedding has no row without a gradient",
    }
    ignored_tensors: ClassVar = {
        r"h\.\d+\.attn\.(masked_)?bias": "the causal mask, which older files hold",
    }
    quirks: ClassVar = {
        "gelu of erf": quirks.OTHER_GELU,
        "eps": quirks.EPS,
        "scores not scaled": quirks.UNSCALED,
        "embedding scaled": quirks.EMBEDDING_SCALED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        d_model = fields.take("n_embd", 768)
        fields.only("scale_attn_weights", True)
        fields.only("add_cross_attention", False)
        return {
            "vocab_size": fields.take("vocab_size", 50257),
            "max_length": fields.take("n_positions", 1024),
            "d_model": d_model,
            "layers": fields.take("n_layer", 12),
            "heads": fields.take("n_head", 12),
            "d_ff": fields.given("n_inner", 4 * d_model),
            "activation": fields.choose("activation_function", PLAIN, "gelu_new"),
            "scale_by_layer": fields.take("scale_attn_by_inverse_layer_idx", False),
            "layer_norm_eps": fields.take("layer_norm_epsilon", 1e-5),
            "tie_output": fields.take("tie_word_embeddings", True),
            "padding_id": None,
        }

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        table = [whole("embedding.weight", "wte.weight"), whole("positions.weight", "wpe.weight")]
        for n in range(config.layers):
            table += self._layer(f"decoder.layers.{n}", f"h.{n}")
        for kind in ("weight", "bias"):
            table.append(whole(f"decoder.norm.{kind}", f"ln_f.{kind}"))
        if not config.tie_output:
            table.append(whole("output_proj.weight", "lm_head.weight"))
        return table

    def tied(self, config: Any) -> dict[str, str]:
        """The head is the embedding."""
        return {"lm_head.weight": "wte.weight"} if config.tie_output else {}

    def _layer(self, ours: str, theirs: str) -> list[Entry]:
        projections = [f"{ours}.self_attn.{name}_proj" for name in "qkv"]
        table = [
            fused([f"{p}.weight" for p in projections], f"{theirs}.attn.c_attn.weight",
                  transposed=True),
            fused([f"{p}.bias" for p in projections], f"{theirs}.attn.c_attn.bias"),
        ]  # fmt: skip
        for own, their in (
            ("self_attn.out_proj", "attn.c_proj"),
            ("feed_forward.linear1", "mlp.c_fc"),
            ("feed_forward.linear2", "mlp.c_proj"),
        ):
            table.append(transposed(f"{ours}.{own}.weight", f"{theirs}.{their}.weight"))
            table.append(whole(f"{ours}.{own}.bias", f"{theirs}.{their}.bias"))
        for own, their in (("self_attn_residual", "ln_1"), ("feed_forward_residual", "ln_2")):
            for kind in ("weight", "bias"):
                table.append(whole(f"{ours}.{own}.norm.{kind}", f"{theirs}.{their}.{kind}"))
        return table
