"""Exercise 24: a training step over uneven micro-batches.

    batch.inputs["source"] (B, S)    batch.inputs["target"] (B, T)    batch.targets (B, T)
    0 is padding

make and run_training are given. Write training_step, then:

    npformer exercise check training_step
    npformer exercise hint training_step
"""

import numpy as np

from npformer.models import Transformer
from npformer.models.transformer import TransformerConfig
from npformer.ops import cross_entropy_backward, cross_entropy_forward
from npformer.text.batches import Batch


def training_step(model, batches, learning_rate):
    """One step of gradient descent on the mean loss of all tokens of all batches -> that loss."""
    raise NotImplementedError("change p.data of every parameter, return the loss")


def make(seed, lengths):
    """A small model with random weights, and one batch for each list in ``lengths``."""
    rng = np.random.default_rng(seed)
    config = TransformerConfig(
        vocab_size=9, d_model=4, heads=2, d_ff=5, encoder_layers=1, decoder_layers=1, dropout=0.0
    )
    model = Transformer(config, rng=rng, dtype=np.float64)
    for p in model.parameters():
        p.data += 0.3 * rng.standard_normal(p.data.shape)
    batches = []
    for words in lengths:
        ids = np.zeros((3, len(words), max(words) + 1), dtype=np.int64)  # 0 is padding
        for row, n in enumerate(words):
            source, target = rng.integers(4, 9, (2, n))
            ids[0, row, : n + 1] = [*source, 3]  # 3 ends a sentence
            ids[1, row, : n + 1] = [2, *target]  # 2 begins one
            ids[2, row, : n + 1] = [*target, 3]
        batches.append(Batch.of_pairs(*ids))
    return model, batches


def run_training(seed, lengths, updates, learning_rate):
    """The weights after some updates on the same batches, by name, and the loss of each update."""
    model, batches = make(seed, lengths)
    losses = [training_step(model, batches, learning_rate) for _ in range(updates)]
    return {**{name: p.data for name, p in model.named_parameters()}, "losses": losses}
