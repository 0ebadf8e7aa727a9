#!/usr/bin/env bash
# transformers: model.double() does not make a model compute in float64.
#
# Versions    transformers 5.23.0, torch 2.13.0, Python 3.11, CPU
# Behaviour   RMS norms take their input to float32 by name and back, rotary tables and some softmaxes are
#             float32 too, whatever the dtype of the weights. The logits of a model in float64 come back as
#             float64 and have the digits of float32, so that they are no reference for a port that is to be
#             proven in float64. LayerNorm is not written so: GPT-2 has the digits that its dtype says.
# Seen        transformers 5.23.0, torch 2.13.0+cpu
#             LlamaRMSNorm of float64 is torch.float64, and off by 9e-08
#             LlamaForCausalLM.double(): an input moved by 1e-11 moves the logits by 0e+00
#             GPT2LMHeadModel.double(): by 3e-12
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 numpy==2.4.6
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

print(f"transformers {transformers.__version__}, torch {torch.__version__}")
torch.manual_seed(0)
x = torch.randn(4, 16, dtype=torch.float64)
found = LlamaRMSNorm(16, eps=1e-6).double()(x)
exact = x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
off = ((found - exact).abs().max() / exact.abs().max()).item()
print(f"LlamaRMSNorm of float64 is {found.dtype}, and off by {off:.0e}")


def moved(model, width):
    """How much the logits move, relative to the largest, as one entry of the input moves by 1e-11."""
    model = model.double().eval()
    embedded = torch.randn(1, 5, width, dtype=torch.float64)
    other = embedded.clone()
    other[0, 2, 3] += 1e-11
    with torch.no_grad():
        first, second = (model(inputs_embeds=each).logits[0, 2] for each in (embedded, other))
    return ((first - second).abs().max() / first.abs().max()).item()


sizes = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2)
llama = moved(LlamaForCausalLM(LlamaConfig(vocab_size=11, **sizes)), 16)
gpt2 = moved(GPT2LMHeadModel(GPT2Config(vocab_size=11, n_embd=16, n_layer=1, n_head=2)), 16)
print(f"LlamaForCausalLM.double(): an input moved by 1e-11 moves the logits by {llama:.0e}")
print(f"GPT2LMHeadModel.double(): by {gpt2:.0e}")
if found.dtype != torch.float64 or not 1e-9 < off < 1e-6 or llama != 0 or not 0 < gpt2 < 1e-9:
    raise SystemExit("no longer as stated")
print("as stated: float64 with the digits of float32")
PY
