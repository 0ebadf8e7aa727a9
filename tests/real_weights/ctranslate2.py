"""A model of speech in CTranslate2's own file, as a directory in the library's form.

Version 6 of ``model.bin``: each tensor with its name, its sizes, a number for its dtype, and its
bytes. Self-attention's queries, keys and values are one matrix, cross-attention's keys and values
another; keys have a bias of zeros, which is left out.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors.numpy import save_file

DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def tensors(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of the file by its name."""
    with path.open("rb") as file:
        version, name, _ = _number(file, "I"), _text(file), _number(file, "I")
        assert (version, name) == (6, "WhisperSpec"), (version, name)
        return dict(_read(file) for _ in range(_number(file, "I")))


def _read(file: BinaryIO) -> tuple[str, np.ndarray]:
    name = _text(file)
    sizes = [_number(file, "I") for _ in range(_number(file, "B"))]
    dtype = DTYPES[_number(file, "B")]
    content = file.read(_number(file, "I"))
    return name, np.frombuffer(content, dtype).reshape(sizes)


def _number(file: BinaryIO, kind: str) -> int:
    return int(struct.unpack(f"<{kind}", file.read(struct.calcsize(kind)))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def named(found: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """The same by the library's names."""
    for conv in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            yield f"model.encoder.{conv}.{kind}", found[f"encoder/{conv}/{kind}"]
    yield "model.decoder.embed_tokens.weight", found["decoder/embeddings/weight"]
    for stack in ("encoder", "decoder"):
        ours = f"model.{stack}"
        yield f"{ours}.embed_positions.weight", found[f"{stack}/position_encodings/encodings"]
        yield from _norm(found, f"{stack}/layer_norm", f"{ours}.layer_norm")
        n = 0
        while f"{stack}/layer_{n}/ffn/linear_0/weight" in found:
            yield from _layer(found, f"{stack}/layer_{n}", f"{ours}.layers.{n}")
            n += 1


def _layer(found: Any, at: str, ours: str) -> Iterator[tuple[str, np.ndarray]]:
    kinds = {"self_attention": "self_attn", "attention": "encoder_attn"}
    for their, own in kinds.items():
        if f"{at}/{their}/linear_0/weight" not in found:
            continue
        yield from _norm(found, f"{at}/{their}/layer_norm", f"{ours}.{own}_layer_norm")
        maps = [
            {k: found[f"{at}/{their}/linear_{i}/{k}"] for k in ("weight", "bias")}
            for i in range(2 if their == "self_attention" else 3)
        ]
        *inner, out = maps
        stacked = {k: np.concatenate([m[k] for m in inner]) for k in ("weight", "bias")}
        for kind, whole in stacked.items():
            for name, part in zip("qkv", np.split(whole, 3), strict=True):
                if name == "k" and kind == "bias":
                    assert not part.any()
                else:
                    yield f"{ours}.{own}.{name}_proj.{kind}", part
            yield f"{ours}.{own}.out_proj.{kind}", out[kind]
    yield from _norm(found, f"{at}/ffn/layer_norm", f"{ours}.final_layer_norm")
    for their, own in (("linear_0", "fc1"), ("linear_1", "fc2")):
        for kind in ("weight", "bias"):
            yield f"{ours}.{own}.{kind}", found[f"{at}/ffn/{their}/{kind}"]


def _norm(found: Any, their: str, ours: str) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{ours}.weight", found[f"{their}/gamma"]
    yield f"{ours}.bias", found[f"{their}/beta"]


def converted(source: Path, directory: Path) -> Path:
    """The model in the folder ``source``, written in the library's form at ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    found = tensors(source / "model.bin")
    arrays = {name: np.ascontiguousarray(a, np.float32) for name, a in named(found)}
    save_file(arrays, directory / "model.safetensors", metadata={"format": "pt"})
    embedding, table = (
        arrays[f"model.decoder.embed_{name}.weight"] for name in ("tokens", "positions")
    )
    heads, layers = int(found["encoder/num_heads"]), _depth(arrays, "encoder")
    hidden = len(arrays["model.encoder.layers.0.fc1.bias"])
    config = {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "vocab_size": len(embedding),
        "d_model": embedding.shape[1],
        "num_mel_bins": arrays["model.encoder.conv1.weight"].shape[1],
        "max_source_positions": len(arrays["model.encoder.embed_positions.weight"]),
        "max_target_positions": len(table),
        "encoder_layers": layers,
        "decoder_layers": _depth(arrays, "decoder"),
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": hidden,
        "decoder_ffn_dim": hidden,
        "pad_token_id": END,
        "bos_token_id": END,
        "eos_token_id": END,
        "decoder_start_token_id": START,
    }
    said = json.loads((source / "config.json").read_text())
    generation = {
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": END,
        "decoder_start_token_id": START,
        "forced_decoder_ids": [[1, NO_TIMES]],
        "no_timestamps_token_id": NO_TIMES,
        "is_multilingual": False,
        "suppress_tokens": said["suppress_ids"],
        "begin_suppress_tokens": said["suppress_ids_begin"],
        "max_length": len(table),
        "max_initial_timestamp_index": 50,
        "return_timestamps": False,
    }
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "generation_config.json").write_text(json.dumps(generation))
    shutil.copy(source / "tokenizer.json", directory)
    return directory


END, START, NO_TIMES = 50256, 50257, 50362
"""Of a model of English alone: what ends a text, begins it, and says that no times are written."""


def _depth(arrays: dict[str, np.ndarray], stack: str) -> int:
    return sum(name.startswith(f"model.{stack}.layers") and ".fc1.bias" in name for name in arrays)
