"""Small random models of the library whose files npformer reads, in true float64.

``model.double()`` is not one: norms, rotations and some softmaxes are float32 in it whatever the
dtype of the weights. ``exact`` lifts that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from torch.overrides import TorchFunctionMode

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


class _Wide(TorchFunctionMode):
    """Whatever asks PyTorch for float32 gets float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        args = tuple(torch.float64 if arg is torch.float32 else arg for arg in args)
        kwargs = {
            name: torch.float64 if value is torch.float32 else value
            for name, value in (kwargs or {}).items()
        }
        return func(*args, **kwargs)


@contextmanager
def exact() -> Iterator[None]:
    """Build and run a model of the library in float64, all of it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Wide():
            yield
    finally:
        torch.set_default_dtype(before)


def random_model(config: Any, seed: int = 0) -> Any:
    """The library's model of a config, every parameter drawn, norms' weights and biases too.

    They are numbers of float32, so that a run in float32 has the same ones.
    """
    rng = np.random.default_rng(seed)
    with exact():
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            width = parameter.shape[-1] if parameter.ndim > 1 else 1
            base = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            scale = 0.3 if parameter.ndim == 1 else width**-0.5
            drawn = base + scale * rng.standard_normal(parameter.shape)
            parameter.copy_(torch.from_numpy(drawn.astype(np.float32)))
    return model.eval()


def narrow(directory: Path) -> Any:
    """The library's model of a directory in float32, as anybody runs it."""
    return transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def saved(model: Any, directory: Path) -> Path:
    """Where the library's own ``save_pretrained`` wrote it."""
    model.save_pretrained(directory)
    return directory


def run(
    model: Any, ids: np.ndarray, dlogits: np.ndarray, **inputs: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """ids (B, T), dlogits (B, T, V), other inputs -> logits, the gradient of every parameter."""
    model.zero_grad()
    wide = next(model.parameters()).dtype is torch.float64
    more = {name: torch.from_numpy(value) for name, value in inputs.items()}
    with exact() if wide else nullcontext():
        logits = model(torch.from_numpy(ids), use_cache=False, **more).logits
        logits.backward(torch.from_numpy(dlogits).to(logits.dtype))
    return logits.detach().numpy(), {
        name: parameter.grad.numpy() for name, parameter in model.named_parameters()
    }


def greedy(model: Any, ids: np.ndarray, new: int) -> list[list[int]]:
    """ids (B, T) -> the ``new`` ids that the library's own generation adds to each row."""
    with exact(), torch.no_grad():
        whole = model.generate(
            torch.from_numpy(ids),
            attention_mask=torch.ones_like(torch.from_numpy(ids)),
            do_sample=False,
            max_new_tokens=new,
            eos_token_id=-1,
            pad_token_id=0,
        )
    return whole[:, ids.shape[1] :].tolist()


def save_tokenizer(directory: Path) -> None:
    """Beside a model: a tokenizer of words, 0 the end of a text, 1 its beginning."""
    words = ["</s>", "<s>", "<unk>", *(f"w{n}" for n in range(40))]
    core = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>")
    )
    core.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    core.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    core.add_special_tokens(["</s>", "<s>"])
    core.save(str(directory / "tokenizer.json"))
