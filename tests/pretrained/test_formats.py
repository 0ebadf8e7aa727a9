"""The forms in which the same weights and the same config come."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers

from npformer.errors import ConfigError
from npformer.files.array_file import ArrayFile
from npformer.files.narrow_floats import from_float8_e4m3
from npformer.pretrained import from_pretrained
from npformer.pretrained.run import export, save_run
from npformer.text.published_tokenizer import load_tokenizer
from npformer.train.checkpoint import read_checkpoint
from tests.pretrained import library
from tests.pretrained.specimens import KINDS, SIZES, SPECIMENS
from tests.pretrained.test_bad_input import change, shard


@pytest.fixture
def source(published, tmp_path):
    return shutil.copytree(published("llama")[1], tmp_path / "source")


def weights(path):
    return from_pretrained(path).model.state_dict()


def check_same(some, others):
    assert some.keys() == others.keys()
    for name, weight in some.items():
        assert np.array_equal(weight, others[name]), name


def test_shards(published, source):
    shard(source)
    check_same(weights(source), weights(published("llama")[1]))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_of_pytorch(published, source, zipped):
    tensors = safetensors.torch.load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    torch.save(tensors, source / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    check_same(weights(source), weights(published("llama")[1]))


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("pickled", [False, True])
def test_numbers_of_16_bits(source, kind, pickled):
    tensors = safetensors.torch.load_file(source / "model.safetensors")
    narrow = {name: tensor.to(getattr(torch, kind)) for name, tensor in tensors.items()}
    if pickled:
        (source / "model.safetensors").unlink()
        torch.save(narrow, source / "pytorch_model.bin")
    else:
        safetensors.torch.save_file(narrow, source / "model.safetensors")
    found = weights(source)["decoder.layers.1.self_attn.q_proj.weight"]
    assert found.dtype == np.float32
    assert np.array_equal(found, narrow["model.layers.1.self_attn.q_proj.weight"].float().numpy())


def test_numbers_of_8_bits_are_pytorchs():
    every = np.arange(256, dtype=np.uint8)
    theirs = torch.from_numpy(every).view(torch.float8_e4m3fn).float().numpy()
    assert np.array_equal(from_float8_e4m3(every), theirs, equal_nan=True)


def test_blocks_of_8_bits_have_scales(published, tmp_path):
    """As DeepSeek's files, here of a matrix that is more than one block, and no multiple of it."""
    from npformer.pretrained.float8 import Float8Blocks

    stored = torch.randn(130, 257).to(torch.float8_e4m3fn)
    scales = torch.rand(2, 3) + 0.5
    safetensors.torch.save_file(
        {"w": stored, "w_scale_inv": scales, "b": torch.ones(3)}, tmp_path / "x.safetensors"
    )
    tensors = Float8Blocks(ArrayFile(tmp_path / "x.safetensors"))
    assert set(tensors) == {"w", "b"}
    wide = scales.repeat_interleave(128, 0).repeat_interleave(128, 1)[:130, :257]
    assert np.array_equal(tensors["w"], (stored.float() * wide).numpy())


def test_names_without_their_prefix_and_what_older_files_hold(published, source):
    tensors = safetensors.torch.load_file(source / "model.safetensors")
    older = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    older["layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    safetensors.torch.save_file(older, source / "model.safetensors")
    check_same(weights(source), weights(published("llama")[1]))


OLDER = {
    "llama": {
        "rope_theta": 100.0,
        "rope_scaling": {
            "type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    },
    "gemma3": {
        "rope_theta": 1000.0, "rope_local_base_freq": 100.0,
        "rope_scaling": {"rope_type": "linear", "factor": 4.0},
        "sliding_window_pattern": 2, "_sliding_window_pattern": None, "layer_types": None,
    },
    "qwen2": {
        "rope_theta": 100.0, "layer_types": None,
        "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    },
    "phi3": {"rope_theta": 100.0, "partial_rotary_factor": 0.5, "rope_scaling": None},
}  # fmt: skip


@pytest.mark.parametrize("name", OLDER)
def test_configs_of_before_version_5(published, tmp_path, name):
    source = shutil.copytree(published(name)[1], tmp_path / "source")
    change(source / "config.json", rope_parameters=None, dtype=None, torch_dtype="float32")
    change(source / "config.json", **OLDER[name])
    found, now = (from_pretrained(path).model.config for path in (source, published(name)[1]))
    assert found == now


SEES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
SEES |= {"num_attention_heads": 2}


def test_the_part_of_gemma_3_that_reads_text(tmp_path):
    """Of a model of the library's that sees images too; it is exported by itself."""
    sees = SEES | {"image_size": 28, "patch_size": 14}
    config = transformers.Gemma3Config(
        text_config=SPECIMENS["gemma3"]().to_dict(), vision_config=sees, mm_tokens_per_image=4
    )
    whole = transformers.Gemma3ForConditionalGeneration(config).eval()
    whole.save_pretrained(tmp_path / "whole")
    library.save_tokenizer(tmp_path / "whole")
    ids = np.arange(3, 12)[None]
    with torch.no_grad():
        expected = whole(input_ids=torch.from_numpy(ids)).logits.numpy()
    found = from_pretrained(tmp_path / "whole")
    assert abs(found.model.forward(ids)[0] - expected).max() < 1e-5 * abs(expected).max()
    save_run(found, found.tokenizer(), tmp_path / "run")
    checkpoint = read_checkpoint(tmp_path / "run")
    export(checkpoint, load_tokenizer(checkpoint.tokenizer_path), tmp_path / "text")
    again = library.narrow(tmp_path / "text")
    assert type(again).__name__ == "Gemma3ForCausalLM"
    with torch.no_grad():
        assert np.allclose(again(torch.from_numpy(ids)).logits.numpy(), expected, atol=1e-6)


def test_what_gemma_4_is_where_its_config_says_nothing(tmp_path):
    """Every sixth layer is global, and the last one whatever is said of it."""
    sizes = SIZES | {"num_hidden_layers": 7}
    config = transformers.Gemma4TextConfig(**sizes, hidden_size_per_layer_input=0)
    library.saved(library.random_model(config), tmp_path)
    before = from_pretrained(tmp_path).model.config
    assert (before.window_pattern, before.window) == ("LLLLLGG", 512)
    assert (before.global_head_size, before.rotary_scaling) == (512, "proportional")
    unsaid = dict.fromkeys(("rope_parameters", "layer_types", "per_layer_config", "sliding_window"))
    change(tmp_path / "config.json", **unsaid)
    assert from_pretrained(tmp_path).model.config == before
    change(tmp_path / "config.json", layer_types=[*["sliding_attention"] * 5, *KINDS[::-1]])
    assert from_pretrained(tmp_path).model.config == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hidden_size_per_layer_input": 8}, "hidden_size_per_layer_input 8; npformer has 0"),
        ({"num_kv_shared_layers": 1}, "has num_kv_shared_layers 1; npformer has 0"),
        ({"enable_moe_block": True}, "has enable_moe_block True; npformer has False"),
        ({"use_bidirectional_attention": "all"}, "'all'; npformer has None, 'vision'"),
        ({"global_head_dim": 12}, "layers is 12, and a per_layer_config by which it is 16"),
        ({"num_global_key_value_heads": 4}, "is 4, and a per_layer_config by which it is 1"),
        ({"per_layer_config": {"0": {"head_dim": 16}}}, "npformer has head_dim and num_key_value"),
        ({"per_layer_config": {"1": {"rms_norm_eps": 1.0}}}, "has per_layer_config {'1': {'rms_no"),
    ],
)
def test_what_of_gemma_4_is_not_loaded(published, tmp_path, fields, said):
    source = shutil.copytree(published("gemma4")[1], tmp_path / "source")
    change(source / "config.json", **fields)
    with pytest.raises(ConfigError, match=re.escape(said)):
        from_pretrained(source)


@pytest.mark.parametrize("name", ["Gemma4", "Gemma4Unified"])
def test_the_part_of_gemma_4_that_reads_text(tmp_path, name):
    """The config has the fields that published ones have, and not the library's table by layer."""
    specimen = {"Gemma4": "gemma4", "Gemma4Unified": "gemma4-unified"}[name]
    sees = {
        "Gemma4": SEES | {"position_embedding_size": 16, "head_dim": 8, "patch_size": 4},
        "Gemma4Unified": {"patch_size": 4, "mm_embed_dim": 24, "mm_posemb_size": 16},
    }[name]
    config = getattr(transformers, f"{name}Config")(
        text_config=SPECIMENS[specimen]().to_dict(), vision_config=sees
    )
    whole = getattr(transformers, f"{name}ForConditionalGeneration")(config).eval()
    for layer in whole.model.language_model.layers:
        layer.layer_scalar.fill_(0.7)
    whole.save_pretrained(tmp_path / "whole")
    library.save_tokenizer(tmp_path / "whole")
    ids = np.arange(3, 12)[None]
    with torch.no_grad():
        expected = whole(input_ids=torch.from_numpy(ids)).logits.numpy()
    saved = json.loads((tmp_path / "whole" / "config.json").read_text())
    saved["text_config"] |= {"global_head_dim": 16, "num_global_key_value_heads": 1}
    del saved["text_config"]["per_layer_config"]
    (tmp_path / "whole" / "config.json").write_text(json.dumps(saved))
    found = from_pretrained(tmp_path / "whole")
    assert abs(found.model.forward(ids)[0] - expected).max() < 1e-5 * abs(expected).max()
    save_run(found, found.tokenizer(), tmp_path / "run")
    checkpoint = read_checkpoint(tmp_path / "run")
    export(checkpoint, load_tokenizer(checkpoint.tokenizer_path), tmp_path / "text")
    again = library.narrow(tmp_path / "text")
    assert type(again).__name__ == f"{name}ForCausalLM"
    with torch.no_grad():
        assert np.allclose(again(torch.from_numpy(ids)).logits.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", SPECIMENS)
def test_what_older_configs_hold_of_generating_is_passed_over(published, tmp_path, name):
    source = shutil.copytree(published(name)[1], tmp_path / "source")
    older = {"do_sample": False, "temperature": 1.0, "max_length": 20, "torchscript": False}
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | older | {"pruned_heads": {}}))
    assert from_pretrained(source).model.config == from_pretrained(published(name)[1]).model.config


def test_shards_of_a_pickle(published, source):
    tensors = safetensors.torch.load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    index = {name: f"pytorch_model-{n % 2}.bin" for n, name in enumerate(sorted(tensors))}
    for shard_name in set(index.values()):
        held = {name: tensors[name] for name, home in index.items() if home == shard_name}
        torch.save(held, source / shard_name)
    (source / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    check_same(weights(source), weights(published("llama")[1]))
