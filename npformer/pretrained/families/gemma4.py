"""Gemma 4 (Google, 2026), the part that reads and writes text, of the dense models."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.errors import ConfigError
from npformer.pretrained import quirks
from npformer.pretrained.families.gemma3 import Gemma3
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry, whole

EXPERTS = "of experts, which enable_moe_block says that there are none of"
OWN_SIZES = {"head_dim": "head_size", "num_key_value_heads": "kv_heads"}
"""What ``per_layer_config`` may say of a layer, and the settings that these are."""
PUBLISHED = {"head_size": "global_head_dim", "kv_heads": "num_global_key_value_heads"}
"""The fields of published configs that say the same of all global layers."""


class Gemma4(Gemma3):
    """Global layers have wider heads, fewer keys and no values of their own; a number each layer.

    Norms multiply by the weight itself. Of the models with experts or with embeddings for each
    layer, nothing is loaded.
    """

    model_types: ClassVar[tuple[str, ...]] = ("gemma4_text", "gemma4")
    text_model: ClassVar = {"model_type": "gemma4_text", "architectures": ["Gemma4ForCausalLM"]}
    norm_type = "rms_norm"
    window = 512
    one_way = (None, "vision")
    per_layer_size: ClassVar[int] = 256
    """``hidden_size_per_layer_input`` where a config has none."""
    ignored_fields: ClassVar = {
        **Gemma3.ignored_fields,
        "vocab_size_per_layer_input": "of embeddings for each layer, which have no columns",
        "num_experts": EXPERTS,
        "top_k_experts": EXPERTS,
        "moe_intermediate_size": EXPERTS,
        "use_double_wide_mlp": "of layers that share keys, and there are none",
        "audio_config": "of sound",
        "vision_soft_tokens_per_image": "of images",
        "boi_token_id": "of images",
        "eoi_token_id": "of images",
        "image_token_id": "of images",
        "video_token_id": "of images",
        "boa_token_id": "of sound",
        "eoa_token_id": "of sound",
        "eoa_token_index": "of sound",
        "audio_token_id": "of sound",
    }
    ignored_tensors: ClassVar = {
        **Gemma3.ignored_tensors,
        r"(model\.)?embed_vision\..*": "it sees images",
        r"(model\.)?(audio_tower|embed_audio)\..*": "it hears",
    }
    quirks: ClassVar = {
        "interleaved halves": quirks.INTERLEAVED,
        "every point turns": quirks.ALL_COLUMNS,
        "columns paired within the part that turns": quirks.PAIRED_WITHIN,
        "one theta": quirks.ONE_THETA,
        "eps": quirks.EPS,
        "1 + weight": quirks.WITH_ONE,
        "embedding not scaled": quirks.EMBEDDING_UNSCALED,
        "scale of the head": quirks.SCALE_OF_HEAD,
        "values not normed": quirks.VALUES_UNNORMED,
        "gelu of erf": quirks.OTHER_GELU,
        "logits not capped": quirks.LOGITS_UNCAPPED,
        "window of one key more": quirks.WINDOW_LONGER,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        if fields.has("text_config"):
            return super().settings(fields)
        fields.choose("hidden_size_per_layer_input", {0: 0, None: 0}, self.per_layer_size)
        fields.only("num_kv_shared_layers", 0)
        fields.only("enable_moe_block", False)
        found = super().settings(fields)
        shared = bool(fields.take("attention_k_eq_v", False))
        pattern = found.pop("window_pattern", "G" * found["layers"])
        pattern = pattern[:-1] + "G"  # the library makes the last layer global, whatever it is
        own = self._of_global(fields, found, pattern, shared)
        if "L" in pattern:
            found["window_pattern"] = pattern
            found |= {f"global_{name}": own[name] for name in own if own[name] != found[name]}
        else:
            found |= own
            for name in ("window", "rotary_theta_local"):
                found.pop(name, None)
        return {**found, "value_norm": True, "values_from_keys": shared, "layer_scalar": "fixed"}

    def scale_of_scores(self, fields: Fields) -> float:
        """Queries and keys are normed, and nothing divides their products."""
        return 1.0

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions."""
        if fields.has("rope_parameters"):
            return super().rotation(fields)
        fields.take("rope_parameters", None)
        return {
            "rotary_theta": self.theta,
            "rotary_theta_local": 10_000.0,
            "rotary_scaling": "proportional",
            "rotary_fraction": 0.25,
        }

    def layer(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of one layer."""
        index = int(ours.rpartition(".")[2])
        own_values = config.is_local(index) or not config.values_from_keys
        table = [
            entry
            for entry in super().layer(config, ours, theirs)
            if own_values or ".v_proj." not in entry.ours[0]
        ]
        return [*table, whole(f"{ours}.layer_scalar.weight", f"{theirs}.layer_scalar")]

    def _of_global(
        self, fields: Fields, local: dict[str, Any], pattern: str, shared: bool
    ) -> dict[str, int]:
        """The settings ``head_size`` and ``kv_heads`` of global layers.

        Published configs have a field for each, and what the library saves has a table by layer.
        Raises ConfigError for a table of other layers or of other fields, and for global layers
        that differ.
        """
        sizes = {name: local[name] for name in OWN_SIZES.values()}
        said = {"head_size": fields.given(PUBLISHED["head_size"], 512)}
        groups = fields.given(PUBLISHED["kv_heads"], sizes["kv_heads"])
        said["kv_heads"] = groups if shared else sizes["kv_heads"]
        table = fields.take("per_layer_config", None)
        if table is None:
            return said
        every = [str(n) for n, letter in enumerate(pattern) if letter == "G"]
        own = table.get(every[0]) if isinstance(table, dict) else None
        alike = table == dict.fromkeys(every, own)
        if not alike or not isinstance(own, dict) or set(own) - {*OWN_SIZES}:
            raise ConfigError(
                f"the config has per_layer_config {str(table)[:60]}; npformer has "
                f"{' and '.join(OWN_SIZES)} of all global layers, and the same in each"
            )
        found = sizes | {OWN_SIZES[name]: value for name, value in own.items()}
        for name, field in PUBLISHED.items():
            if fields.has(field) and said[name] != found[name]:
                raise ConfigError(
                    f"the config has {field}, by which {name} of global layers is {said[name]}, "
                    f"and a per_layer_config by which it is {found[name]}; leave one out"
                )
        return found
