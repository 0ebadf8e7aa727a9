#!/usr/bin/env bash
# xPos in rotary-embedding-torch: a step with cached keys has other scores than the whole sequence.
#
# Versions    rotary-embedding-torch 0.9.1, torch 2.13.0, numpy 2.4.6, Python 3.11, CPU
# Behaviour   xPos multiplies a query by scale^t and a key by scale^-s, so that their product depends on
#             t - s alone. Powers are counted from the middle of a sequence, and in
#             rotate_queries_with_cached_keys the new query's from the middle of itself, not of the keys.
#             Scores of a step then differ from those of the whole sequence by a factor of its own for each
#             channel, so that neither the weights of the keys nor their order are kept, and the more keys
#             there are, the less. Without xPos the two agree.
# Seen        rotary-embedding-torch 0.9.1, torch 2.13.0+cpu
#             the scores of a step differ from those of the whole sequence, of their norm,
#             without xPos by 0.00, with xPos by 0.22
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet rotary-embedding-torch==0.9.1 torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import torch
from rotary_embedding_torch import RotaryEmbedding

draw = torch.Generator().manual_seed(0)
q, k = (torch.rand(1, 1, 512, 8, generator=draw) + 1 for _ in "qk")


def rotary(xpos):
    return RotaryEmbedding(dim=8, use_xpos=xpos)


def difference(xpos):
    """Of the last query's scores: in a step of its own from those in the whole sequence."""
    if xpos:
        queries, keys = rotary(xpos).rotate_queries_and_keys(q, k)
    else:
        queries, keys = (rotary(xpos).rotate_queries_or_keys(x) for x in (q, k))
    query, cached = rotary(xpos).rotate_queries_with_cached_keys(q[:, :, -1:], k)
    whole, step = queries[:, :, -1:] @ keys.mT, query @ cached.mT
    return ((step - whole).norm() / whole.norm()).item()


plain, xpos = difference(False), difference(True)
print(f"rotary-embedding-torch {version('rotary-embedding-torch')}, torch {torch.__version__}")
print("the scores of a step differ from those of the whole sequence, of their norm,")
print(f"without xPos by {plain:.2f}, with xPos by {xpos:.2f}")
if plain > 1e-4 or xpos < 0.1:
    raise SystemExit("no longer as stated")
print("as stated: with xPos a cached step is another model")
PY
