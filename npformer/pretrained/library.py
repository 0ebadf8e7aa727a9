"""How the transformers library is asked for what a published model computes.

Chapter     walkthroughs/24_a_model_from_elsewhere.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Library(NamedTuple):
    """Which of its classes loads the files, and what that calls what goes in and comes out."""

    loader: str
    """The class whose ``from_pretrained`` is called."""
    inputs: Mapping[str, str]
    """Its name of each input of the model here."""
    output: str = "logits"
    """What is compared: the logits, or of a model without a head the last states."""
    method: str = "forward"
    """What computes the same here, with its ``_backward``."""

    @property
    def backward(self) -> str:
        """The name of the method's backward."""
        return "backward" if self.method == "forward" else f"{self.method}_backward"


DECODER = Library("AutoModelForCausalLM", {"target": "input_ids"})
WHOLE = {"target": "input_ids", "types": "token_type_ids"}
ENCODER = Library("AutoModelForMaskedLM", WHOLE)
HEADLESS = Library("AutoModel", WHOLE, "last_hidden_state", "states")
SPEECH = Library(
    "AutoModelForSpeechSeq2Seq", {"audio": "input_features", "target": "decoder_input_ids"}
)
ENCODER_DECODER = Library(
    "AutoModelForSeq2SeqLM", {"source": "input_ids", "target": "decoder_input_ids"}
)
