# diagnosis: it must return the loss
import numpy as np

from npformer.models import Transformer
from npformer.models.transformer import TransformerConfig
from npformer.ops import cross_entropy_backward, cross_entropy_forward
from npformer.text.batches import Batch


def training_step(model, batches, learning_rate):
    model.zero_grad()
    total, tokens = 0.0, 0
    for batch in batches:
        logits, cache = model.forward(**batch.inputs)
        loss, loss_cache = cross_entropy_forward(
            logits, batch.targets, ignore_index=0, reduction="sum"
        )
        dlogits = cross_entropy_backward(np.ones_like(loss), loss_cache)
        model.backward(dlogits, cache)
        total += float(loss)
        tokens += int(np.count_nonzero(batch.targets))
    for p in model.parameters():
        p.data -= learning_rate / tokens * p.grad


def make(seed, lengths):
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
    model, batches = make(seed, lengths)
    losses = [training_step(model, batches, learning_rate) for _ in range(updates)]
    return {**{name: p.data for name, p in model.named_parameters()}, "losses": losses}
