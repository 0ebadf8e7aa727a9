"""Looking inside a model: what its heads attend to, and pictures of it."""

from npformer.inspect.alignment import alignment_share, token_alignment
from npformer.inspect.attention import attention_maps
from npformer.inspect.plots import attention_figure, save_figure
from npformer.inspect.sentence import sentence_figures

__all__ = [
    "alignment_share",
    "attention_figure",
    "attention_maps",
    "save_figure",
    "sentence_figures",
    "token_alignment",
]
