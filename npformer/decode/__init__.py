"""From a model and a source to an output: greedy, beam search, sampling, whole translations.

A model without a source goes on with a text: ``generate``.
"""

from npformer.decode.beam import Hypothesis, beam, n_best
from npformer.decode.generate import generate
from npformer.decode.greedy import greedy
from npformer.decode.sample import sample
from npformer.decode.translator import Translator

__all__ = ["Hypothesis", "Translator", "beam", "generate", "greedy", "n_best", "sample"]
