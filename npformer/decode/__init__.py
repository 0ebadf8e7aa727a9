"""From a model and a source to an output: greedy, beam search, sampling, whole translations."""

from npformer.decode.beam import Hypothesis, beam, n_best
from npformer.decode.greedy import greedy
from npformer.decode.sample import sample
from npformer.decode.translator import Translator

__all__ = ["Hypothesis", "Translator", "beam", "greedy", "n_best", "sample"]
