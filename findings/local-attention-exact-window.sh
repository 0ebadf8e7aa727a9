#!/usr/bin/env bash
# local-attention's exact_windowsize=True with a window of w lets a query see w + 1 keys.
#
# Versions    local-attention 1.11.2, torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   Its README says that with exact_windowsize each query sees at most as many keys as the window
#             is wide. It hides keys that are more than w positions back, so a query sees itself and w more:
#             an n-layer model looks back n positions further than one says. Found by giving all keys the
#             same score: the answer of a query is then the mean of the values that it sees.
# Seen        local-attention 1.11.2, torch 2.13.0+cpu
#             window 2: keys seen by each query 1 2 3 3 3 3 3 3 3 3 3 3
#             window 3: keys seen by each query 1 2 3 4 4 4 4 4 4 4 4 4
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet local-attention==1.11.2 torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import torch
from local_attention import LocalAttention

LENGTH = 12


def seen(window):
    """How many keys each query sees."""
    attention = LocalAttention(
        window_size=window,
        causal=True,
        look_backward=1,
        exact_windowsize=True,
        dim=4,
        use_rotary_pos_emb=False,
    )
    same = torch.zeros(1, 1, LENGTH, 4)
    weights = attention(same, same, torch.eye(LENGTH)[None, None])[0, 0]
    return (weights > 0).sum(-1).tolist()


found = {window: seen(window) for window in (2, 3)}
print(f"local-attention {version('local-attention')}, torch {torch.__version__}")
for window, counts in found.items():
    print(f"window {window}: keys seen by each query", *counts)
if any(max(counts) != window + 1 for window, counts in found.items()):
    raise SystemExit("no longer as stated")
print("as stated: one key more than the window")
PY
