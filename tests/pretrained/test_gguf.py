"""GGUF files: as what families' own files say, and as the library itself reads them."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers

from npformer.errors import CheckpointError
from npformer.pretrained import from_pretrained
from npformer.pretrained.gguf.file import TYPES, GgufFile
from npformer.pretrained.load import Renamed
from npformer.pretrained.tensors import Exported
from tests.extras import skip_if_not_installed
from tests.pretrained import library
from tests.pretrained.specimens import FAST, SIZES, SPECIMENS

skip_if_not_installed("gguf")
import gguf  # noqa: E402
from transformers.integrations.gguf.dequant import dequantize  # noqa: E402
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint  # noqa: E402

from tests.pretrained import gguf_files  # noqa: E402

ROTATION = {
    "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
}  # fmt: skip
WIDE = SIZES | dict(hidden_size=64, head_dim=32, intermediate_size=96)
MODELS = {
    "gpt2": SPECIMENS["gpt2"],
    "llama": lambda: transformers.LlamaConfig(**SIZES, rope_parameters=ROTATION),
    "llama-tied-biased": lambda: transformers.LlamaConfig(
        **SIZES, tie_word_embeddings=True, attention_bias=True, mlp_bias=True, rope_parameters=FAST
    ),
    "llama-linear": lambda: transformers.LlamaConfig(
        **SIZES, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 100.0}
    ),
    "mistral": lambda: transformers.MistralConfig(
        **SIZES, sliding_window=None, rope_parameters=FAST
    ),
    "qwen2": lambda: transformers.Qwen2Config(**SIZES, rope_parameters=FAST),
    "qwen3": lambda: transformers.Qwen3Config(**SIZES, rope_parameters=FAST),
    "gemma2": lambda: transformers.Gemma2Config(**SIZES, sliding_window=4, query_pre_attn_scalar=8),
    "gemma3": lambda: transformers.Gemma3TextConfig(
        **SIZES, sliding_window=4, query_pre_attn_scalar=8,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        },
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The library's model, its directory, and the same in a GGUF file."""
    found = {}

    def make(name):
        if name not in found:
            home = tmp_path_factory.mktemp(name)
            model = library.random_model(MODELS[name]())
            library.saved(model, home)
            tensors = safetensors.numpy.load_file(home / "model.safetensors")
            found[name] = model, home, gguf_files.write(home / "all.gguf", model.config, tensors)
        return found[name]

    return make


@pytest.mark.parametrize("name", MODELS)
def test_a_file_is_the_model_of_the_familys_own_files(made, name):
    model, directory, file = made(name)
    ours, wanted = from_pretrained(file), from_pretrained(directory)
    assert ours.model.config == wanted.model.config
    for path, weight in wanted.model.state_dict().items():
        found = ours.model.state_dict()[path]
        assert np.allclose(found, weight, rtol=0, atol=3e-7), path  # Gemma's 1, added and taken


@pytest.mark.parametrize("name", [name for name in MODELS if name != "mistral"])  # has no file
def test_the_librarys_own_reader_finds_the_same_weights(made, name):
    model, _, file = made(name)
    theirs = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=model)["tensors"]
    found = from_pretrained(file)
    entries = found.family.entries(found.model.config)
    ours = Renamed(
        Exported(entries, found.model.state_dict()), found.family.own_names(list(theirs))
    )
    missing = theirs.keys() - {found.family.file_name(name) for name in ours}
    assert missing <= {"lm_head.weight"} if found.model.config.tie_output else not missing
    for own, name in found.family.own_names(list(theirs)).items():
        if own in ours:
            assert np.array_equal(ours[own], theirs[name].numpy()), name


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"])
def test_quantised_weights_are_those_that_the_file_means(tmp_path, kind):
    """A model of what is left of the weights, in the library and here."""
    of = gguf.GGMLQuantizationType[kind]
    model = library.random_model(transformers.LlamaConfig(**WIDE, rope_parameters=FAST))
    library.saved(model, tmp_path)
    tensors = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    file = gguf_files.write(tmp_path / "all.gguf", model.config, tensors, lambda *_: of)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:  # rows are quantised each by itself, in whatever order
                stored = gguf.quantize(tensors[name].astype(np.float32), of)
                parameter.copy_(torch.from_numpy(gguf.dequantize(stored, of)))
    ids = np.arange(11)[None] % 43
    with library.exact(), torch.no_grad():
        wanted = model(torch.from_numpy(ids)).logits.numpy()
    logits, _ = from_pretrained(file, np.float64).model.forward(ids)
    assert abs(logits - wanted).max() < 1e-7 * abs(wanted).max()  # norms are float32 in the file


def five_bits(blocks: np.ndarray, kind: str) -> np.ndarray:
    """(B, bytes) -> (B, 32): the fifth bits are together, by position, after scale and offset."""
    halves = blocks.view(np.float16)
    start = 2 if kind == "Q5_0" else 4
    (fifth,) = blocks[:, start : start + 4].copy().view(np.uint32).T
    low = blocks[:, start + 4 :]
    four = np.concatenate([low & 15, low >> 4], axis=1)
    q = four + 16.0 * ((fifth[:, None] >> np.arange(32, dtype=np.uint32)) & 1)
    scale = halves[:, :1].astype(np.float32)
    return scale * (q - 16) if kind == "Q5_0" else scale * q + halves[:, 1:2].astype(np.float32)


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind.startswith("Q")])
def test_every_type_is_what_others_make_of_its_bits(tmp_path, kind):
    of = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[of]
    stored = np.random.default_rng(0).integers(0, 256, (3, 2 * size), np.uint8)
    stored[stored & 0x7C == 0x7C] ^= 0x40  # wherever a scale is, it is finite
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "llama")
    writer.add_tensor("one", stored, raw_dtype=of)
    gguf_files.finish(writer)
    found = GgufFile(tmp_path / "one.gguf")["one"]
    assert found.shape == (3, 2 * block)
    wanted = (
        five_bits(stored.reshape(-1, size), kind)
        if kind.startswith("Q5_") and kind != "Q5_K"
        else dequantize(torch.from_numpy(stored), of.value).numpy()
    )
    assert np.allclose(found, wanted.reshape(3, -1), rtol=1e-5, atol=1e-5 * abs(wanted).max())


@pytest.fixture
def refused_file(npformer, made, tmp_path):
    """What is said of a file of a small model that was changed, or of a path."""

    def refuse(model="qwen2", more=lambda writer: None, path=None):
        if path is None:
            _, home, _ = made(model)
            tensors = safetensors.numpy.load_file(home / "model.safetensors")
            config = made(model)[0].config
            path = gguf_files.write(tmp_path / "bad.gguf", config, tensors, more=more)
        ended = npformer("load", path, tmp_path / "run")
        assert ended.status == 2 and ended.err.count("\n") == 1, ended.err
        assert not (tmp_path / "run").exists()
        return ended.err

    return refuse


def test_what_npformer_does_not_know_of_a_file_is_refused_by_name(refused_file):
    said = refused_file(more=lambda writer: writer.add_uint32("qwen2.expert_count", 4))
    assert "qwen2.expert_count '4'" in said
    said = refused_file(more=lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.YARN))
    assert "rope.scaling.type 'yarn'" in said
    said = refused_file(more=lambda writer: writer.add_value_length(4))
    assert "attention.value_length 4 and heads of 8" in said
    said = refused_file(
        more=lambda writer: writer.add_tensor("blk.0.other.weight", np.zeros(3, np.float32))
    )
    assert "'blk.0.other.weight', which no part of the model reads" in said
    said = refused_file(
        "llama-tied-biased",
        more=lambda writer: writer.add_tensor("rope_freqs.weight", np.full(4, 3.0, np.float32)),
    )
    assert "rope_freqs.weight is not what llama3's scaling gives" in said
    assert "is one of 3 files" in refused_file(
        more=lambda writer: writer.add_uint16("split.count", 3)
    )


def test_another_architecture_or_type_is_refused(refused_file, tmp_path):
    for name, said in (("mamba", "'mamba'; of GGUF files"), ("qwen4", "did you mean 'qwen")):
        writer = gguf.GGUFWriter(tmp_path / "other.gguf", name)
        gguf_files.finish(writer)
        assert said in refused_file(path=tmp_path / "other.gguf")
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "llama")
    kind = gguf.GGMLQuantizationType.MXFP4
    writer.add_tensor("one", np.zeros((43, 17), np.uint8), raw_dtype=kind)
    gguf_files.finish(writer)
    with pytest.raises(CheckpointError, match="'one' of .* is of type MXFP4; npformer reads F64"):
        GgufFile(tmp_path / "one.gguf")["one"]


def test_a_file_that_is_cut_short_or_none_is_refused(refused_file, made, tmp_path):
    whole = made("qwen2")[2].read_bytes()
    bad = tmp_path / "cut.gguf"
    for size in (0, 3, 20, 500, len(whole) // 2, len(whole) - 100):
        bad.write_bytes(whole[:size])
        assert "cut.gguf is no GGUF file, or damaged" in refused_file(path=bad)
    assert "has no config.json; give the file itself" in refused_file(path=tmp_path)
    assert "does not exist" in refused_file(path=tmp_path / "none.gguf")
    bad.write_bytes(whole)
    assert "cut.gguf holds no vocabulary" in refused_file(path=bad)
