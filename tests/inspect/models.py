"""Small models of every kind, a batch with padding on both sides, and a run without a recorder."""

import numpy as np

from npformer.models import Transformer
from npformer.models.transformer import TransformerConfig
from npformer.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from npformer.text.batches import Batch

VARIANTS = {
    "the paper's": {},
    "pre-norm, untied": {"norm": "pre", "tie_output": False, "activation": "gelu"},
    "heads of their own sizes": {"d_k": 3, "d_v": 5, "activation": "silu"},
    "pre-norm, other heads": {"norm": "pre", "d_k": 5, "d_v": 2, "activation": "gelu_tanh"},
    "no encoder layer": {"encoder_layers": 0, "tie_output": False},
}


def make_config(**changes):
    sizes = dict(vocab_size=17, d_model=8, heads=2, d_ff=12, encoder_layers=2, decoder_layers=2)
    return TransformerConfig(**{**sizes, "max_length": 9, "dropout": 0.25, **changes})


def make_model(dtype=np.float64, seed=0, **changes):
    """A model with its parameters off their initial values."""
    rng = np.random.default_rng(seed)
    model = Transformer(make_config(**changes), rng=rng, dtype=dtype)
    for parameter in model.parameters():
        parameter.data += (0.2 * rng.standard_normal(parameter.data.shape)).astype(dtype)
    return model


def make_batch(seed=0, rows=3, source=6, target=5):
    rng = np.random.default_rng(seed)
    sides = []
    for length in (source, target, target):
        ids = rng.integers(4, 17, (rows, length))
        ids[0, -2:] = 0
        sides.append(ids)
    return Batch.of_pairs(*sides)


def generator(seed):
    return None if seed is None else np.random.default_rng(seed)


def ordinary(model, batch, seed=None, label_smoothing=0.0):
    """Logits, loss, cache of both, and every gradient, without a recorder."""
    logits, cache = model.forward(**batch.inputs, rng=generator(seed))
    loss, loss_cache = cross_entropy_forward(
        logits, batch.targets, ignore_index=0, label_smoothing=label_smoothing
    )
    model.backward(cross_entropy_backward(np.ones_like(loss), loss_cache), cache)
    gradients = {path: parameter.grad for path, parameter in model.named_parameters()}
    return logits, loss, (cache, loss_cache), gradients
