"""Gemma 3 (Gemma Team, 2025, arXiv:2503.19786), the part that reads and writes text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.gemma2 import Gemma2
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import rotation


class Gemma3(Gemma2):
    """Five local layers to a global one, each kind with frequencies of its own; normed heads.

    Of the models that see images too, the config and the weights of the text's part are read.
    """

    model_types: ClassVar[tuple[str, ...]] = ("gemma3_text", "gemma3")
    prefixes: ClassVar[tuple[str, ...]] = (
        "language_model.model.",
        "model.language_model.",
        "language_model.",
        "model.",
    )
    text_model: ClassVar[Mapping[str, Any]] = {
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
    }
    """What the config of the text's part says that it is, exported by itself."""
    theta = 1_000_000.0
    logit_softcap = None
    ignored_fields: ClassVar = {
        **Gemma2.ignored_fields,
        "attn_logit_softcapping": "the library reads it and passes it on to nothing",
        "vision_config": "of images",
        "mm_tokens_per_image": "of images",
        "boi_token_index": "of images",
        "eoi_token_index": "of images",
        "image_token_index": "of images",
    }
    ignored_tensors: ClassVar = {
        **Gemma2.ignored_tensors,
        r"(model\.)?vision_tower\..*": "it sees images",
        r"(model\.)?multi_modal_projector\..*": "it sees images",
    }
    quirks: ClassVar = {
        **{name: quirk for name, quirk in Gemma2.quirks.items() if "not capped" not in name},
        "one theta": quirks.ONE_THETA,
        "stretched in local layers too": quirks.STRETCHED_LOCALLY,
        "scores capped": quirks.SCORES_CAPPED,
        "every layer local": quirks.ALL_LOCAL,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        if fields.has("text_config"):
            text = fields.inside("text_config")
            found = self.settings(text)
            text.refuse_others()
            tied = fields.take("tie_word_embeddings", found["tie_output"])
            return {**found, "tie_output": tied}
        return {**super().settings(fields), "qk_norm": "head"}

    def exported(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """That of the text's part."""
        if "text_config" not in config:
            return super().exported(config)
        return {**config["text_config"], **self.text_model}

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions."""
        return rotation(fields, self.theta, 10_000.0)

    def cap_of_scores(self, fields: Fields) -> float | None:
        """There is none."""
        return None

    def local(self, fields: Fields) -> Any:
        """All but every sixth."""
        period = fields.take("_sliding_window_pattern", fields.take("sliding_window_pattern", 6))
        return lambda n: (n + 1) % period != 0
