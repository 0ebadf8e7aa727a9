"""A model that looks like an encoder is what it says of itself; or else there is no verdict."""

from __future__ import annotations

import pytest
from torch import nn

from npformer.verify import check_model
from tests.verify.models.wrong import D, Translator, V


class Mixer(nn.Module):
    """Every position sees every other; ``scores`` of ids, or of vectors."""

    def __init__(self, ids: bool = True, scores: int = V, **says: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(V, D) if ids else nn.Identity()
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, scores)
        vars(self).update(says)

    def forward(self, x):
        x = self.table(x)
        return self.head(self.norm(x + x.mean(1, keepdim=True)))


class TinyGPT(Mixer):
    pass


class MaskedLM(Mixer):
    pass


class Writes(Mixer):
    def generate(self):
        raise NotImplementedError


class DecoderBlock(Mixer):
    def forward(self, x, attn_mask=None):
        return super().forward(x)


def asked(model):
    return check_model(model, lengths=(2, 3))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (TinyGPT(), "is called TinyGPT"),
        (nn.Sequential(TinyGPT()), "has a TinyGPT"),
        (Writes(), "has generate()"),
        (Mixer(causal=True), "says causal=True"),
        (MaskedLM(bidirectional=False), "says bidirectional=False"),
        (DecoderBlock(is_decoder=True), "says is_decoder=True"),
        (Translator(causal=False), "reads another stream and scores every token of its own"),
    ],
)
def test_a_decoder_without_its_mask(model, says):
    if isinstance(model, Translator):
        model.encoder.causal = model.decoder.causal = 0  # no boolean, which would say something
    result = asked(model)
    assert {"future", "future-gradient", "prefix"} <= {a.name for a in result.broken}
    assert result.causal.startswith("yes, taken for causal") and says in result.causal
    assert "causal=False if they may" in str(result).splitlines()[2]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (MaskedLM(), "is called MaskedLM"),
        (TinyGPT(causal=False), "says causal=False"),
        (Mixer(is_decoder=False), "says is_decoder=False"),
        (nn.TransformerEncoderLayer(D, 2, D, batch_first=True), "TransformerEncoderLayer"),
        (Mixer(ids=False), "as they do on earlier ones"),
        (Mixer(scores=3), "as they do on earlier ones"),
    ],
)
def test_an_encoder(model, says):
    result = asked(model)
    assert result.passed and result.causal.startswith("no, ") and says in result.causal
    assert str(result).splitlines()[1].startswith("NOT TESTED")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Mixer(), "as a decoder does and a masked model"),
        (Writes(is_decoder=False), "it has generate(), and it says is_decoder=False"),
        (DecoderBlock(), "attn_mask, which may hide what is later, was not given"),
    ],
)
def test_what_may_be_either(model, says):
    result = asked(model)
    assert not result and not result.broken and says in result.causal
    assert str(result).splitlines()[1].startswith("NO VERDICT")
    assert result.to_dict()["undecided"] and not result.to_dict()["passed"]


def test_the_caller_knows():
    told = check_model(Mixer(), lengths=(2, 3), causal=False)
    assert told.passed and "NO" not in str(told)
