#!/usr/bin/env bash
# transformers: a Whisper that is loaded trains the table of positions that is not to be trained.
#
# Versions    transformers 5.23.0, torch 2.13.0, Python 3.11, CPU
# Behaviour   The encoder's positions are sines and cosines, and its constructor says requires_grad_(False). A model
#             made of a config keeps to that. One made by from_pretrained does not: the weight that is loaded in the
#             place of the first one requires a gradient, gets one in the backward, and an optimizer over
#             model.parameters() moves the table. A port that leaves it alone, as the paper does, differs from a
#             fine-tuned model in that one tensor.
# Seen        transformers 5.23.0, torch 2.13.0+cpu
#             made of a config: requires_grad False
#             loaded:           requires_grad True, and a gradient of up to 3e-03
#             after a step of SGD the table has moved: True
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 numpy==2.4.6
"$work/venv/bin/python" - "$work/model" 2>/dev/null <<'PY'
import sys

import torch
import transformers
from transformers import WhisperConfig, WhisperForConditionalGeneration

print(f"transformers {transformers.__version__}, torch {torch.__version__}")
torch.manual_seed(0)
config = WhisperConfig(
    vocab_size=43, d_model=24, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8, num_mel_bins=4,
    max_source_positions=6, max_target_positions=8, pad_token_id=0, bos_token_id=0, eos_token_id=0,
    decoder_start_token_id=1, begin_suppress_tokens=None,
)
made = WhisperForConditionalGeneration(config)
made.save_pretrained(sys.argv[1])
loaded = WhisperForConditionalGeneration.from_pretrained(sys.argv[1]).train()
first, table = (m.model.encoder.embed_positions.weight for m in (made, loaded))
print(f"made of a config: requires_grad {first.requires_grad}")
labels = torch.tensor([[3, 4, 5]])
loaded(input_features=torch.randn(1, 4, 12), labels=labels).loss.backward()
largest = 0.0 if table.grad is None else table.grad.abs().max().item()
print(f"loaded:           requires_grad {table.requires_grad}, and a gradient of up to {largest:.0e}")
torch.optim.SGD(loaded.parameters(), lr=0.1).step()
moved = not torch.equal(table.detach(), first.detach())
print(f"after a step of SGD the table has moved: {moved}")
sys.exit(not (not first.requires_grad and table.requires_grad and largest > 0 and moved))
PY
