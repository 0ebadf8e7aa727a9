"""From text to batches of token ids and back; nothing here knows of models.

sentences    cut a text into sentences, and put it back together
tokenizer    characters, words or byte pairs as ids; published ones in the files of their libraries
corpus       sentence pairs from the built-in grammar, files and datasets
formats      a reader for each format of a file
stream       the same pairs without holding them in memory
batches      padded batches of like length, in an order that can be resumed
pairs_file   pairs as text in a file of npformer's own
shards       tokenised pairs as memory-mapped files, for a corpus larger than memory
scores       BLEU, chrF, CER, WER and exact match
"""

from npformer.text.batches import Batch, Batches, evaluation_batches, make_batch
from npformer.text.corpus import ParallelCorpus, load_corpus, read_pairs
from npformer.text.pairs import EncodedPairs, encode_pairs
from npformer.text.scores import scores
from npformer.text.sentences import join_paragraphs, split_paragraphs, split_sentences
from npformer.text.shards import ShardedPairs
from npformer.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "UNK",
    "Batch",
    "Batches",
    "EncodedPairs",
    "ParallelCorpus",
    "ShardedPairs",
    "Tokenizer",
    "encode_pairs",
    "evaluation_batches",
    "join_paragraphs",
    "load_corpus",
    "make_batch",
    "read_pairs",
    "scores",
    "split_paragraphs",
    "split_sentences",
]
