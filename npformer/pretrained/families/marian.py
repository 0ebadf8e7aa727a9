"""Marian's models of translation (Junczys-Dowmunt et al., 2018, arXiv:1804.00344; OPUS-MT)."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.bart import RELU, Bart
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry


class Marian(Bart):
    """The paper's model with all sines before all cosines, and a bias of the logits."""

    model_types: ClassVar[tuple[str, ...]] = ("marian",)
    padding_id: ClassVar[int] = 58100
    languages = r">>(.+)<<"
    ignored_tensors: ClassVar = {
        r"(encoder|decoder)\.embed_positions\.weight": "sines and cosines, which older files hold",
    }
    quirks: ClassVar = {
        "sines and cosines in turns": quirks.Quirk(
            lambda c: {"positions": "sinusoidal"}, "positions"
        ),
        "positions from 2": quirks.Quirk(lambda c: {"first_position": 2}, "positions"),
        "relu": RELU,
        "scores not scaled": quirks.UNSCALED,
        "embedding not scaled": quirks.EMBEDDING_UNSCALED,
        "eps": quirks.EPS,
    }

    def shape(self, fields: Fields) -> dict[str, Any]:
        """What tells the family from others of its kind."""
        sizes = fields.take("vocab_size"), fields.take("decoder_vocab_size", None)
        found = {
            "positions": "sinusoidal_half",
            "output_bias": "final_logits_bias" in fields.names,
        }
        if fields.take("share_encoder_decoder_embeddings", True):
            return found
        return found | {
            "share_embeddings": False,
            "source_vocab_size": sizes[0],
            "vocab_size": sizes[0] if sizes[1] is None else sizes[1],
        }

    def entrance(self, config: Any, stack: str, prefix: str) -> list[Entry]:
        """Nothing: positions have no parameter, and there is no norm."""
        return []
