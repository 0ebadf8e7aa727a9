import numpy as np

from npformer.models import Transformer
from npformer.models.transformer import TransformerConfig
from npformer.text.batches import Batch


def training_step(model, batches, learning_rate):
    # One sentence at a time, its softmax by hand.
    gradients = {name: 0.0 for name, _ in model.named_parameters()}
    total, tokens = 0.0, 0
    for batch in batches:
        for row in range(len(batch.inputs["source"])):
            model.zero_grad()
            one = batch.rows(slice(row, row + 1))
            logits, cache = model.forward(**one.inputs)
            p = np.exp(logits - logits.max(axis=-1, keepdims=True))
            p /= p.sum(axis=-1, keepdims=True)
            target = np.eye(p.shape[-1])[one.targets]
            valid = (one.targets != 0)[..., None]
            total -= float((np.log((p * target).sum(-1)) * valid[..., 0]).sum())
            tokens += int(valid.sum())
            model.backward((p - target) * valid, cache)
            for name, parameter in model.named_parameters():
                gradients[name] = gradients[name] + parameter.grad
    for name, parameter in model.named_parameters():
        parameter.data -= learning_rate * gradients[name] / tokens
    return total / tokens


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
