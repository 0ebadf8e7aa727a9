"""Small random models of the library whose files npformer reads, in true float64."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from transformers.core_model_loading import revert_weight_conversion

from npformer.verify.true_float64 import exact
from tests.pretrained.specimens import SPEECH, specimen

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def random_model(config: Any, seed: int = 0, kind: str = "AutoModelForCausalLM") -> Any:
    """The library's model of a config, every parameter drawn, norms' weights and biases too.

    They are numbers of float32, so that a run in float32 has the same ones.
    """
    rng = np.random.default_rng(seed)
    with exact():
        model = getattr(transformers, kind).from_config(
            config, attn_implementation="eager", experts_implementation="eager"
        )
    with torch.no_grad():
        drawn_here = dict(model.named_parameters())
        if (bias := getattr(model, "final_logits_bias", None)) is not None:
            drawn_here["final_logits_bias"] = bias
        read = ("e_score_correction_bias", "layer_scalar")  # from files, and buffers
        drawn_here |= {n: b for n, b in model.named_buffers() if n.endswith(read)}
        for name, parameter in drawn_here.items():
            if not parameter.requires_grad and not name.endswith(("_bias", *read)):
                continue  # sines and cosines
            width = parameter.shape[-1] if parameter.ndim > 1 else 1
            of_norm = "norm" in name.lower() and name.endswith("weight")
            base = 1.0 if of_norm or name.endswith("layer_scalar") else 0.0
            scale = 0.3 if parameter.ndim == 1 else width**-0.5
            drawn = base + scale * rng.standard_normal(parameter.shape)
            parameter.copy_(torch.from_numpy(drawn.astype(np.float32)))
    return model.eval()


def published(name: str, directory: Path) -> tuple[Any, Path]:
    """A specimen's random model, saved in a directory with a tokenizer; the two of them."""
    kind, config = specimen(name)
    model = random_model(config, kind=kind)
    if name == "t5-1.1":
        untie(model)
    if name in SPEECH:  # so that what is written changes from token to token
        with torch.no_grad():
            model.model.decoder.embed_positions.weight.mul_(4)
    saved(model, directory)
    save_tokenizer(directory, masks=kind == "AutoModelForMaskedLM")
    return model, directory


def untie(model: Any) -> None:
    """Give T5 1.1 the output matrix of its own that it has; from a config the library ties it."""
    rng = np.random.default_rng(9)
    drawn = rng.standard_normal(model.lm_head.weight.shape).astype(np.float32) / 5
    model.lm_head.weight = torch.nn.Parameter(torch.from_numpy(drawn).double())
    model._tied_weights_keys = {
        name: of for name, of in model._tied_weights_keys.items() if "lm_head" not in name
    }


def narrow(directory: Path, kind: str = "AutoModelForCausalLM") -> Any:
    """The library's model of a directory in float32, as anybody runs it."""
    return (
        getattr(transformers, kind)
        .from_pretrained(
            directory,
            dtype=torch.float32,
            attn_implementation="eager",
            experts_implementation="eager",
        )
        .eval()
    )


def saved(model: Any, directory: Path) -> Path:
    """Where the library's own ``save_pretrained`` wrote it."""
    model.save_pretrained(directory)
    return directory


def run(
    model: Any, ids: np.ndarray, dlogits: np.ndarray, **inputs: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """ids (B, T), dlogits (B, T, V), other inputs -> logits, the gradient of every parameter."""
    return run_to(lambda out: out.logits, model, dlogits, input_ids=ids, use_cache=False, **inputs)


def run_to(
    output: Callable[[Any], torch.Tensor], model: Any, upstream: np.ndarray, **inputs: Any
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """An output of the library's model and, given its gradient, that of every parameter it reads.

    ``inputs`` are arrays, and whatever else the model takes.
    """
    model.zero_grad()
    wide = next(model.parameters()).dtype is torch.float64
    more = {n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in inputs.items()}
    with exact() if wide else nullcontext():
        y = output(model(**more))
        y.backward(torch.from_numpy(upstream).to(y.dtype))
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    # By the names that a file has, where experts are tensors of their own: a split is linear.
    gradients = revert_weight_conversion(model, gradients)
    return y.detach().numpy(), {name: g.numpy() for name, g in gradients.items()}


def greedy(model: Any, ids: np.ndarray, new: int) -> list[list[int]]:
    """ids (B, T) -> the ``new`` ids that the library's own generation adds to each row."""
    wide = next(model.parameters()).dtype is torch.float64
    with exact() if wide else nullcontext(), torch.no_grad():
        whole = model.generate(
            torch.from_numpy(ids),
            attention_mask=torch.ones_like(torch.from_numpy(ids)),
            do_sample=False,
            max_new_tokens=new,
            eos_token_id=-1,
            pad_token_id=0,
        )
    return whole[:, ids.shape[1] :].tolist()


def save_tokenizer(directory: Path, *, masks: bool = False) -> None:
    """Beside a model: a tokenizer of words, 0 the end of a text, 1 its beginning; 42 its mask."""
    words = ["</s>", "<s>", "<unk>", *(f"w{n}" for n in range(40))]
    if masks:
        words[-1] = "[MASK]"
    core = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>")
    )
    core.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    core.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    core.add_special_tokens(["</s>", "<s>", *(["[MASK]"] if masks else [])])
    core.save(str(directory / "tokenizer.json"))
