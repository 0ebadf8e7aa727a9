"""M2M-100 (Fan et al., 2021, arXiv:2010.11125) and NLLB: pre-norm, fairseq's sines and cosines."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.marian import Marian
from npformer.pretrained.fields import Fields


class M2M100(Marian):
    """Positions count from the one after padding's id, in a table that is not in the file."""

    model_types: ClassVar[tuple[str, ...]] = ("m2m_100",)
    activation: ClassVar[str] = "relu"
    padding_id: ClassVar[int] = 1
    scale: ClassVar[bool] = True
    languages = r"__([a-z]{2,3})__|([a-z]{3}_[A-Z][a-z]{3})"
    language_first = True
    ignored_tensors: ClassVar = {
        r"(encoder|decoder)\.embed_positions\.weights?": "sines and cosines, of older files",
        r"(encoder|decoder)\.version": "of the program that trained it",
    }
    quirks: ClassVar = {
        "the paper's frequencies": quirks.Quirk(
            lambda c: {"positions": "sinusoidal_half"}, "positions"
        ),
        "positions from 0": quirks.Quirk(lambda c: {"first_position": 0}, "positions"),
        "gelu": quirks.Quirk(lambda c: {"activation": "gelu"}, "feed_forward"),
        "scores not scaled": quirks.UNSCALED,
        "embedding not scaled": quirks.EMBEDDING_UNSCALED,
        "eps": quirks.EPS,
    }

    def shape(self, fields: Fields) -> dict[str, Any]:
        """What tells the family from others of its kind."""
        return {
            "norm": "pre",
            "positions": "sinusoidal_tensor2tensor",
            "first_position": fields.given("pad_token_id", self.padding_id) + 1,
        }
