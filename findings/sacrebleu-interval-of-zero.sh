#!/usr/bin/env bash
# sacrebleu's bootstrap gives no interval, not one of width 0, where the score is 0.
#
# Versions    sacrebleu 2.6.0, NumPy 2.4.6
# Behaviour   corpus_score(..., n_bootstrap=1000) keeps the mean and the half width of the 95 % interval, and
#             the JSON form of the score has them as confidence_mean and confidence_var. For translations
#             without a single right word the two keys are missing, and the text form shows no interval, as
#             if no bootstrap had been asked for: a mean of 0 counts as "not measured". Who reads the JSON of
#             a model after its first updates meets a KeyError.
# Seen        confidence_var present for some right words, absent for none; 1,000 draws in both
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check sacrebleu==2.6.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import json
import sys
from importlib.metadata import version

from sacrebleu import BLEU

references = [f"the {word} stands in the old house" for word in ("dog", "cat", "cow", "hen") * 8]
some = [text.replace("old", "new") if i % 2 else text for i, text in enumerate(references)]
none = ["xyz"] * len(references)
keys = {}
for name, translations in {"some": some, "none": none}.items():
    metric = BLEU()
    score = metric.corpus_score(translations, [references], n_bootstrap=1000)
    told = json.loads(score.format(signature=str(metric.get_signature()), is_json=True))
    keys[name] = sorted(key for key in told if key.startswith("confidence"))
    print(f"{name} right: BLEU {score.score:.1f}, {keys[name] or 'no interval'}")
print("sacrebleu", version("sacrebleu"))
sys.exit(not ("confidence_var" in keys["some"] and not keys["none"]))
PY
