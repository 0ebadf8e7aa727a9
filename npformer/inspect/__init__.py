"""Looking inside a model: what its heads attend to, and pictures of it."""

from npformer.inspect.alignment import alignment_share, token_alignment
from npformer.inspect.attention import attention_maps
from npformer.inspect.flow import gradient_flow, gradient_flow_figure, statistics_figure
from npformer.inspect.memory import memory_table
from npformer.inspect.plots import attention_figure, save_figure
from npformer.inspect.reading import Reading, read_pair, read_recording
from npformer.inspect.recorder import record
from npformer.inspect.recording import RecordedCall, Recording
from npformer.inspect.sentence import reading_figures, sentence_figures
from npformer.inspect.source import show_derivation, show_source
from npformer.inspect.statistics import Statistics, statistics

__all__ = [
    "Reading",
    "RecordedCall",
    "Recording",
    "Statistics",
    "alignment_share",
    "attention_figure",
    "attention_maps",
    "gradient_flow",
    "gradient_flow_figure",
    "memory_table",
    "read_pair",
    "read_recording",
    "reading_figures",
    "record",
    "save_figure",
    "sentence_figures",
    "show_derivation",
    "show_source",
    "statistics",
    "statistics_figure",
    "token_alignment",
]
