#!/usr/bin/env bash
# transformers: Gemma 4's fields of global layers are read from a published config, and silently ignored beside a saved one.
#
# Versions    transformers 5.23.0, Python 3.11, CPU; no PyTorch is needed
# Behaviour   Published configs have global_head_dim and num_global_key_value_heads. Gemma4TextConfig makes of them a
#             per_layer_config, and that is what save_pretrained writes, in their place. Where per_layer_config is
#             there, the two fields are taken out of the arguments and dropped. So whoever changes global_head_dim of
#             a model of the library's own making, in config.json or as an argument of from_pretrained, gets the
#             size of before, without an error or a warning; with the published file the same change works.
# Seen        transformers 5.23.0
#             made with global_head_dim 512: a global layer has heads of 512
#             saved, and read again with global_head_dim=64: 512
#             its config.json with "global_head_dim": 64 added: 512
#             the same without per_layer_config, as published files are: 64
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet transformers==5.23.0
cd "$work"
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import json

import transformers
from transformers import Gemma4TextConfig

print(f"transformers {transformers.__version__}")


def size(config):
    return config.per_layer_config[1].head_dim


made = Gemma4TextConfig(
    num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"], global_head_dim=512
)
made.save_pretrained("saved")
argument = Gemma4TextConfig.from_pretrained("saved", global_head_dim=64)
with open("saved/config.json") as file:
    saved = json.load(file)
with open("saved/config.json", "w") as file:
    json.dump(saved | {"global_head_dim": 64}, file)
edited = Gemma4TextConfig.from_pretrained("saved")
with open("saved/config.json", "w") as file:
    without = {name: value for name, value in saved.items() if name != "per_layer_config"}
    json.dump(without | {"global_head_dim": 64}, file)
published = Gemma4TextConfig.from_pretrained("saved")

found = [size(config) for config in (made, argument, edited, published)]
print(f"made with global_head_dim 512: a global layer has heads of {found[0]}")
print(f"saved, and read again with global_head_dim=64: {found[1]}")
print(f'its config.json with "global_head_dim": 64 added: {found[2]}')
print(f"the same without per_layer_config, as published files are: {found[3]}")
raise SystemExit(found != [512, 512, 512, 64])
PY
