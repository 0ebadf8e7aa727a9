"""What cannot be loaded: one line that says what is wrong, status 2, and nothing written."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy
import tokenizers

from npformer.files.array_file import ArrayFile


@pytest.fixture
def source(published, tmp_path):
    """A copy of a published model, to be damaged."""
    return shutil.copytree(published("llama")[1], tmp_path / "source")


@pytest.fixture
def not_loaded(refused, source, tmp_path):
    """The line that refuses it; nothing may have been written."""

    def run(*options):
        line = refused("load", source, tmp_path / "run", *options)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
        return line

    return run


def change(path, **fields):
    """Set fields of a JSON file; None deletes one."""
    content = json.loads(path.read_text())
    content.update(fields)
    path.write_text(json.dumps({n: v for n, v in content.items() if v is not None}))


def shard(source, *, mixed=False, lost=()):
    """Cut the weights into two shards with an index."""
    tensors = dict(ArrayFile(source / "model.safetensors"))
    (source / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {f"model-0000{n}-of-00002.safetensors": names[n - 1 :: 2] for n in (1, 2)}
    index = {name: shard for shard, held in shards.items() for name in held}
    files = list(shards.values())
    for shard_name, held in zip(shards, files[::-1] if mixed else files, strict=True):
        safetensors.numpy.save_file({n: tensors[n] for n in held}, source / shard_name)
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    for name in lost:
        (source / name).unlink()


def rewritten(source, **changes):
    """Put tensors in place of others, None deletes one."""
    tensors = dict(ArrayFile(source / "model.safetensors"))
    tensors |= changes
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    safetensors.numpy.save_file(kept, source / "model.safetensors")


def test_a_file_that_was_cut_short(source, not_loaded):
    path = source / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "model.safetensors cannot be understood" in not_loaded()


def test_shards_that_are_mixed_up(source, not_loaded):
    shard(source, mixed=True)
    assert "the shards are mixed up or of another model" in not_loaded()


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("model-00002-of-00002.safetensors", "lacks its shard model-00002-of-00002.safetensors"),
        ("model.safetensors.index.json", "no model.safetensors.index.json, which says what is in"),
    ],
)
def test_a_part_that_is_missing(source, not_loaded, lost, said):
    shard(source, lost=[lost])
    assert said in not_loaded()


def test_an_index_that_points_outside(source, not_loaded):
    shard(source)
    index = source / "model.safetensors.index.json"
    change(index, weight_map={"model.norm.weight": "../elsewhere.safetensors"})
    assert "names files outside its directory" in not_loaded()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model_type": "lama"}, "a model of type 'lama'; npformer reads"),
        ({"model_type": "gpt2"}, "which npformer does not know"),
        ({"model_type": "gemma2"}, "has pretraining_tp '1', which npformer does not know"),
        ({"mlp_bias": True}, "lacks 'layers.0.mlp.down_proj.bias' and 5 other tensors"),
        ({"model_type": "qwen3"}, "lacks 'layers.0.self_attn.k_norm.weight' and 3 other tensors"),
        ({"model_type": None}, "names no model_type"),
        ({"attention_multiplier": 2.0}, "has attention_multiplier '2.0', which npformer does not"),
        ({"hidden_act": "mish"}, "has hidden_act 'mish'; npformer has"),
        ({"hidden_size": None}, "lacks 'hidden_size', without which there is no such model"),
        ({"vocab_size": 44}, "'model.embed_tokens.weight' is (43, 24) in"),
        ({"vocab_size": 44}, "by its config it is (44, 24)"),
        ({"num_attention_heads": 3}, "describes a model that cannot be: kv_heads is 2"),
        ({"rope_parameters": {"rope_type": "resonance", "rope_theta": 1e4}}, "is 'resonance'"),
        ({"rope_parameters": {"rope_type": "linear", "beta": 1.0}}, "has beta 1.0"),
        (
            {"model_type": "granitemoehybrid", "layer_types": ["mamba", "attention"]},
            "layer_types has 'mamba'; npformer has 'attention' and 'full_attention'",
        ),
        ({"model_type": "cohere", "use_qk_norm": True}, "has use_qk_norm True; npformer has False"),
        ({"model_type": "exaone4", "sliding_window_pattern": "LLLG"}, "'LLLG'; npformer reads a"),
        ({"model_type": "qwen2_moe", "mlp_only_layers": [0]}, "mlp_only_layers is [0]; npformer"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quant_method 'gptq'; npformer has"),
        ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [64, 64]}}, "64, 64"),
    ],
)
def test_a_config_of_another_model(source, not_loaded, fields, said):
    change(source / "config.json", **fields)
    assert said in not_loaded()


def test_tensors_that_do_not_belong(source, not_loaded):
    rewritten(source, extra=np.zeros(3, np.float32))
    assert "holds 'extra', which no part of the model reads" in not_loaded()
    rewritten(source, extra=None, **{"model.norm.weight": None})
    assert "lacks 'norm.weight', by its config" in not_loaded()


def test_weights_that_are_not_numbers(source, not_loaded):
    rewritten(source, **{"model.norm.weight": np.full(24, np.nan)})
    assert "is not finite" in not_loaded()


def test_a_head_that_is_not_the_one_it_is_said_to_be(source, not_loaded):
    change(source / "config.json", tie_word_embeddings=True)
    assert "its config says that it is 'model.embed_tokens.weight'; they differ" in not_loaded()


def test_a_vocabulary_larger_than_its_embedding(source, not_loaded):
    core = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    core.add_tokens([f"more{n}" for n in range(5)])
    core.save(str(source / "tokenizer.json"))
    assert "has ids up to 47, and the embedding 43 rows" in not_loaded()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("tokenizer.json", "{}", "the tokenizer's file cannot be understood"),
        ("config.json", None, "has no config.json"),
        ("config.json", "[]", "holds no table of fields"),
        ("config.json", "{", "cannot be read"),
        ("model.safetensors", None, "holds no weights that npformer reads"),
    ],
)
def test_a_file_that_is_missing_or_another(source, not_loaded, name, content, said):
    (source / name).unlink()
    if content is not None:
        (source / name).write_text(content)
    assert said in not_loaded()


def test_a_pickle_that_holds_more_than_tensors(source, not_loaded):
    import torch

    (source / "model.safetensors").unlink()
    torch.save({"weight": print}, source / "pytorch_model.bin")
    assert "pytorch_model.bin cannot be understood" in not_loaded()


def test_places_that_cannot_be(refused, published, tmp_path):
    source = published("llama")[1]
    (tmp_path / "there").mkdir()
    assert "exists already" in refused("load", source, tmp_path / "there")
    assert "does not exist" in refused("load", tmp_path / "nowhere", tmp_path / "run")
    assert "is a file" in refused("load", source / "config.json", tmp_path / "run")


def test_a_run_of_npformers_own_is_not_exported(refused, npformer, corpus, tmp_path):
    run = tmp_path / "run"
    sizes = ("--model.d-model", 8, "--model.heads", 2, "--model.d-ff", 8, "--model.layers", 1)
    options = ("--corpus", corpus, "--tokenizer", "char", "--updates", 1)
    assert npformer("train", run, "--model", "gpt", *sizes, *options).status == 0
    assert "was not loaded from a published model" in refused("export", run, tmp_path / "out")
    assert "needs no loading" in refused("load", run / "averaged", tmp_path / "again")


def test_a_prompt_beyond_the_window(refused, npformer, published, tmp_path):
    run = tmp_path / "run"
    assert npformer("load", published("llama")[1], run).status == 0
    assert "takes 32 at most" in refused("generate", run, "w1 " * 40)
