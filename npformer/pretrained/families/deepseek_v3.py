"""DeepSeek-V3 and R1 (DeepSeek-AI, 2024, arXiv:2412.19437): latents, and eight of 256 experts."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from npformer.errors import ConfigError
from npformer.pretrained import quirks
from npformer.pretrained.experts import IGNORED, expert_entries, expert_settings
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import stretched_scale
from npformer.pretrained.tensors import Entry, fused, whole
from npformer.pretrained.turns import by_turns

LATENT_EPS = 1e-6
"""In the library the norms of latents have this, whatever the config says of the others."""

LAYOUTS = {True: "rotary_interleaved", False: "rotary", None: "rotary_interleaved"}


class DeepseekV3(Llama):
    """A bias that chooses and does not weigh, groups, a shared network, first layers without."""

    model_types: ClassVar[tuple[str, ...]] = ("deepseek_v3",)
    ignored_fields: ClassVar = {
        **Llama.ignored_fields,
        **IGNORED,
        "head_dim": "the columns that turn, which qk_rope_head_dim says",
        "qk_head_dim": "the sum of qk_nope_head_dim and qk_rope_head_dim",
        "num_key_value_heads": "every head has a key of its own, made of the latent",
        "num_nextn_predict_layers": "layers after the last, for guessing tokens ahead",
        "ep_size": "over how many devices experts are spread",
        "aux_loss_alpha": "of a balance loss, in training alone",
        "seq_aux": "of a balance loss, in training alone",
    }
    ignored_tensors: ClassVar = {
        **Llama.ignored_tensors,
        r"layers\.61\..*": "the layer after the last, for guessing a token ahead",
    }
    quirks: ClassVar = {
        "halves for neighbours": quirks.HALVES,
        "no rotation": quirks.TURNED_NOWHERE,
        "frequencies not stretched": quirks.UNSTRETCHED,
        "stretching left out of the scale": quirks.SCALE_OF_HEAD,
        "scale of d_model / heads": quirks.SCALE_OF_WIDTH,
        "eps": quirks.EPS,
        "gelu for silu": quirks.OTHER_GELU,
        "1 + weight": quirks.WITH_ONE,
        "embedding scaled": quirks.EMBEDDING_SCALED,
        "weights not divided": quirks.SHARES_UNDIVIDED,
        "weights not scaled": quirks.SHARES_UNSCALED,
        "groups ignored": quirks.GROUPS_IGNORED,
        "softmax for sigmoid": quirks.SCORED_BY_SOFTMAX,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        for name, value in (("moe_layer_freq", 1), ("scoring_func", "sigmoid"),
                            ("topk_method", "noaux_tc"), ("attention_bias", False)):  # fmt: skip
            fields.only(name, value)
        found = super().settings(fields)
        if found["layer_norm_eps"] != LATENT_EPS:
            raise ConfigError(
                f"rms_norm_eps is {found['layer_norm_eps']}; npformer has one for all norms, and "
                f"those of latents have {LATENT_EPS}"
            )
        turned = fields.take("qk_rope_head_dim", 64)
        size = fields.take("qk_nope_head_dim", 128) + turned
        width = fields.take("moe_intermediate_size", 2048)
        return {
            **found,
            "kv_heads": None,
            "head_size": size,
            "value_size": fields.take("v_head_dim", 128),
            "latent_size": fields.take("kv_lora_rank", 512),
            "query_latent_size": fields.take("q_lora_rank", 1536),
            "positions": fields.choose("rope_interleave", LAYOUTS, True),
            "rotary_fraction": turned / size,
            "attention_scale": size**-0.5 * stretched_scale(fields),
            **expert_settings(fields, fields.take("n_routed_experts", 256), 8),
            "expert_d_ff": width,
            "dense_first": fields.take("first_k_dense_replace", 3),
            "shared_d_ff": width * fields.take("n_shared_experts", 1),
            "expert_scoring": "sigmoid",
            "normalize_expert_weights": fields.take("norm_topk_prob", True),
            "expert_scale": fields.take("routed_scaling_factor", 2.5),
            "expert_groups": fields.take("n_group", 8),
            "kept_expert_groups": fields.take("topk_group", 4),
            "expert_bias_rate": 0.0,  # it is there, and stands still
        }

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions; YaRN's factor of cosines and sines is always said.

        Where nobody says it npformer has it in the scale, and the library does not.
        """
        found = super().rotation(fields)
        if found["rotary_scaling"] == "yarn" and found.get("rotary_attention_factor") is None:
            found["rotary_attention_factor"] = 0.1 * math.log(max(found["rotary_factor"], 1.0)) + 1
        return found

    def attention(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's attention."""
        queries = [("q_proj.weight", "q_proj.weight")]
        if config.query_latent_size is not None:
            queries = [
                ("q_down.weight", "q_a_proj.weight"),
                ("q_norm.weight", "q_a_layernorm.weight"),
                ("q_proj.weight", "q_b_proj.weight"),
            ]
        others = [("kv_norm.weight", "kv_a_layernorm.weight"), ("out_proj.weight", "o_proj.weight")]
        down, up = (f"{theirs}.kv_{name}.weight" for name in ("a_proj_with_mqa", "b_proj"))
        return [
            *(whole(f"{ours}.{own}", f"{theirs}.{their}") for own, their in (*queries, *others)),
            fused([f"{ours}.{name}.weight" for name in ("kv_down", "k_shared")], down),
            by_turns([f"{ours}.{name}.weight" for name in ("k_up", "v_up")], up, config.heads),
        ]

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture, or of the network that the first layers have."""
        layer = int(ours.split(".")[2])
        if layer < config.dense_first:
            return super().feed_forward(config, ours, theirs)
        bias = whole(f"{ours}.balance_bias", f"{theirs}.gate.e_score_correction_bias")
        shared = super().feed_forward(config, f"{ours}.shared", f"{theirs}.shared_experts")
        return [bias, *expert_entries(config, ours, theirs), *shared]
