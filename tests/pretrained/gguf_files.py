"""GGUF files of small published models, written by the ``gguf`` package with its own names.

What llama.cpp's converter changes besides is done here: it pairs the columns that turn together,
adds the 1 of Gemma's norms, and turns GPT-2's matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
    "gpt2": gguf.MODEL_ARCH.GPT2,
}
"""By the library's ``model_type``."""
F32 = gguf.GGMLQuantizationType.F32

Kind = Callable[[str, np.ndarray], Any]


def write(
    path: Path,
    config: Any,
    tensors: Mapping[str, np.ndarray],
    kind: Kind = lambda name, tensor: F32,
    more: Callable[[gguf.GGUFWriter], None] = lambda writer: None,
) -> Path:
    """Write the library's tensors under its names; ``kind`` says the type of each matrix."""
    architecture = ARCHITECTURES[config.model_type]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    _say(writer, config)
    more(writer)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, tensor in tensors.items():
        own = names.get_name(name, (".weight", ".bias"))
        assert own is not None, name
        stored = np.ascontiguousarray(_stored(config, name, tensor), np.float32)
        of = kind(own, stored) if stored.ndim == 2 else F32
        writer.add_tensor(own, gguf.quantize(stored, of), raw_dtype=of)
    if _scaling(config).get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", _divisors(config))
    finish(writer)
    return path


def finish(writer: gguf.GGUFWriter) -> None:
    """Write what was added."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _say(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_name("a small random one")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    if config.model_type == "gpt2":
        writer.add_feed_forward_length(4 * config.hidden_size)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    if config.model_type != "gemma3_text":
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if config.model_type == "llama":
        writer.add_rope_dimension_count(config.head_dim)
    if config.model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if config.model_type.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)
    if config.model_type == "gemma3_text":
        both = config.rope_parameters
        writer.add_rope_freq_base(both["full_attention"]["rope_theta"])
        writer.add_rope_freq_base_swa(both["sliding_attention"]["rope_theta"])
        writer.add_sliding_window_pattern(
            [kind == "sliding_attention" for kind in config.layer_types]
        )
    if _scaling(config).get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(_scaling(config)["factor"])


def _scaling(config: Any) -> dict[str, Any]:
    both = getattr(config, "rope_parameters", None) or {}
    return both.get("full_attention", both)


def _stored(config: Any, name: str, tensor: np.ndarray) -> np.ndarray:
    if config.model_type in ("llama", "mistral"):
        for which, heads in (
            (".q_proj.", config.num_attention_heads),
            (".k_proj.", config.num_key_value_heads),
        ):
            if which in name:
                halves = tensor.reshape(heads, 2, -1, *tensor.shape[1:])
                return halves.swapaxes(1, 2).reshape(tensor.shape)
    if config.model_type.startswith("gemma") and "norm" in name:
        return tensor + 1
    if config.model_type == "gpt2" and ".h." in name and tensor.ndim == 2:
        return tensor.T
    return tensor


def _divisors(config: Any) -> np.ndarray:
    """As llama.cpp's converter computes them for a Llama 3."""
    said, size = config.rope_parameters, config.head_dim
    length = said["original_max_position_embeddings"]
    low, high = said["low_freq_factor"], said["high_freq_factor"]
    found = []
    for i in range(0, size, 2):
        wave = 2 * np.pi * said["rope_theta"] ** (i / size)
        if wave < length / high:
            found.append(1.0)
        elif wave > length / low:
            found.append(said["factor"])
        else:
            smooth = (length / wave - low) / (high - low)
            found.append(1 / ((1 - smooth) / said["factor"] + smooth))
    return np.array(found, np.float32)
