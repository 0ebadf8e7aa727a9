"""Words that are cut into several tokens: which tokens go on with one, and how that is shown."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.explorer import build_page, page_data
from npformer.inspect import read_pair
from npformer.models.transformer import Transformer, TransformerConfig
from npformer.text.tokenizer import Tokenizer

SOURCE, TARGET = "he washes the coats, then sleeps", "er wäscht die Mäntel, dann schläft er"


@pytest.fixture(scope="module")
def read():
    tokenizer = Tokenizer.train([f"{SOURCE} {TARGET}"], kind="bpe", vocab_size=285)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, d_model=8, heads=2, d_ff=8, max_length=64,
        encoder_layers=1, decoder_layers=1,
    )  # fmt: skip
    model = Transformer(config, rng=np.random.default_rng(0))
    return model, tokenizer, read_pair(model, tokenizer, SOURCE, TARGET)


def test_the_tokens_of_a_word_are_joined(read):
    for side, text in (("source", SOURCE), ("target", TARGET)):
        found = page_data(*read)["sentence"][side]
        tokens = found["tokens"] if side == "source" else found["written"]
        words: list[list[str]] = []
        for token, joined in zip(tokens, found["joined"], strict=True):
            if joined:
                words[-1].append(token)
            else:
                words.append([token])
        assert words.pop() == ["<eos>"]
        assert max(map(len, words)) > 1
        spelt = ["".join(word).removeprefix("▁") for word in words]
        expected = text.replace(",", " ,").split()
        assert len(spelt) == len(expected)
        for one, word in zip(spelt, expected, strict=True):
            assert one == word or "‹" in one  # a letter of several bytes


def test_a_whole_word_is_told_and_marked(read, open_page, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(build_page(*read, against="the translation given"), encoding="utf-8")
    page = open_page("#tokens&source=1", at=path.as_uri())
    source = page.get_by_role("radiogroup", name="Source tokens").get_by_role("radio")
    names = [one.get_attribute("aria-label") for one in source.all()]
    assert any(", part of “washes”, position" in name for name in names)
    boxes = [one.bounding_box() for one in source.all()]
    joined = page_data(*read)["sentence"]["source"]["joined"]
    for i, (one, other) in enumerate(zip(boxes, boxes[1:], strict=False), start=1):
        if one["y"] == other["y"]:
            gap = other["x"] - one["x"] - one["width"]
            assert (gap <= 0) == joined[i]
    assert "against the translation given" in page.locator(".loss-against").inner_text()
