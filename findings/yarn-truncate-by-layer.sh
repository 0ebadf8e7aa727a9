#!/usr/bin/env bash
# transformers: YaRN's "truncate": false is read for a model with one rotation, and ignored for one by layer type.
#
# Versions    transformers 5.24.0, torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   rope_parameters holds the settings of a rotation, or, for models whose layers differ (Gemma 3,
#             ModernBERT), a set of them for each type of layer. All of YaRN's settings are read from the
#             layer's own set but "truncate", which is looked for beside the sets, where it never is. So the
#             range of frequencies that are blended is rounded to integers although the configuration says
#             that it is not, without a warning, and two configurations of one rotation give two rotations.
# Seen        transformers 5.24.0, torch 2.13.0+cpu
#             largest relative change of a frequency by "truncate": false
#             one rotation for all layers 0.433, by layer type 0.000
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet transformers==5.24.0 torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch
import transformers
from transformers import Gemma3TextConfig, LlamaConfig
from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

SIZES = {"head_dim": 64, "max_position_embeddings": 131_072}


def yarn(truncate):
    return {
        "rope_type": "yarn",
        "rope_theta": 150_000.0,
        "factor": 32.0,
        "original_max_position_embeddings": 4096,
        "truncate": truncate,
    }


def for_all_layers(truncate):
    return LlamaRotaryEmbedding(LlamaConfig(**SIZES, rope_parameters=yarn(truncate))).inv_freq


def by_layer_type(truncate):
    local = {"rope_type": "default", "rope_theta": 10_000.0}
    settings = {"full_attention": yarn(truncate), "sliding_attention": local}
    rotary = Gemma3RotaryEmbedding(Gemma3TextConfig(**SIZES, rope_parameters=settings))
    return rotary.full_attention_inv_freq


def change(frequencies):
    return ((frequencies(False) - frequencies(True)).abs() / frequencies(True)).max().item()


print(f"transformers {transformers.__version__}, torch {torch.__version__}")
print('largest relative change of a frequency by "truncate": false')
print(f"one rotation for all layers {change(for_all_layers):.3f}, by layer type {change(by_layer_type):.3f}")
same = torch.equal(for_all_layers(True), by_layer_type(True))
if not same or change(for_all_layers) < 0.01 or change(by_layer_type) != 0:
    raise SystemExit("no longer as stated")
print('as stated: "truncate" is ignored where rotations differ by layer type')
PY
