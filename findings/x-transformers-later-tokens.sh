#!/usr/bin/env bash
# Four options let x-transformers' causal Decoder see later tokens.
#
# Versions    x-transformers 2.31.10, torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   The projection that three of them share flattens positions and features of a sequence into
#             one vector before it takes the part that is orthogonal, and mv_split_residual centres by the
#             mean over positions. So an output depends on every later token, by sums over the whole
#             sequence. Here the last of four ids is changed, and the logits of the first three move.
#             Without the options they stay what they are, to the bit.
# Seen        x-transformers 2.31.10, torch 2.13.0+cpu
#             no option: earlier logits move by 0
#             attn_orthog_projected_values: earlier logits move by 1.1e-02
#             attn_orthog_projected_values_per_head: earlier logits move by 1.1e-02
#             orthog_residual: earlier logits move by 2.8e-02
#             mv_split_residual: earlier logits move by 3.7e-03
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet x-transformers==2.31.10 torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import torch
from x_transformers import Decoder, TransformerWrapper

OPTIONS = (
    "attn_orthog_projected_values",
    "attn_orthog_projected_values_per_head",
    "orthog_residual",
    "mv_split_residual",
)
FIRST, SECOND = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]])[:, None]


def moved(**options):
    """By how much another fourth id moves the logits of the first three positions."""
    torch.manual_seed(0)
    layers = Decoder(dim=16, depth=1, heads=2, attn_dim_head=8, **options)
    model = TransformerWrapper(num_tokens=16, max_seq_len=8, attn_layers=layers).double().eval()
    with torch.no_grad():
        return (model(FIRST) - model(SECOND))[0, :3].abs().max().item()


print(f"x-transformers {version('x-transformers')}, torch {torch.__version__}")
plain = moved()
print(f"no option: earlier logits move by {plain:g}")
found = {option: moved(**{option: True}) for option in OPTIONS}
for option, by in found.items():
    print(f"{option}: earlier logits move by {by:.1e}")
if plain != 0 or min(found.values()) < 1e-4:
    raise SystemExit("no longer as stated")
print("as stated: later tokens reach earlier logits under each of the four options")
PY
