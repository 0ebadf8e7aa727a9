#!/usr/bin/env bash
# transformers: a tokenizer read from a GGUF file cuts "smollm" by GPT-2's rule, and composes no characters for "qwen2".
#
# Versions    transformers 5.23.0, tokenizers 0.23.3, gguf 0.19.0, torch 2.13.0, Python 3.11, CPU
# Behaviour   A GGUF file names how a text is cut before bytes are merged (tokenizer.ggml.pre). SmolLM's own
#             tokenizer.json cuts every numeral by itself, which the name smollm says, and Qwen 2's composes
#             characters first (NFC). The reader has no rule of the first name and falls back to GPT-2's in silence,
#             so that a space stays with a numeral after it; of the second it has the cut and not the NFC.
#             The ids are others than those that the model was trained on.
# Seen        transformers 5.23.0, tokenizers 0.23.3, gguf 0.19.0
#             smollm: 'x ½' is cut as ['x', 'Ġ', 'Â½'] by SmolLM's rule, ['x', 'ĠÂ½'] as read from the file
#             qwen2: 'e' and a mark are 1 token where characters are composed, 3 as read from the file
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 gguf==0.19.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import json
from importlib.metadata import version

import gguf
import tokenizers
import transformers
from tokenizers import models, normalizers, pre_tokenizers, trainers

print(f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, gguf {version('gguf')}")


def trained(before, text):
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = before
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=letters, show_progress=False)
    core.train_from_iterator([text], trainer)
    return core


def from_gguf(core, pre):
    model = json.loads(core.to_str())["model"]
    tokens = [*sorted(model["vocab"], key=model["vocab"].get), "<end>"]
    writer = gguf.GGUFWriter(f"{pre}.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    for add in (writer.add_bos_token_id, writer.add_eos_token_id):
        add(len(tokens) - 1)
    writer.add_add_bos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return transformers.AutoTokenizer.from_pretrained(".", gguf_file=f"{pre}.gguf")


plain = pre_tokenizers.ByteLevel(add_prefix_space=False)
core = trained(plain, "x ½ y ½ " * 9)  # with a piece for a space and a numeral, as GPT-2's rule makes
read = from_gguf(core, "smollm")
core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), plain])
own, found = core.encode("x ½").tokens, read.convert_ids_to_tokens(read.encode("x ½", add_special_tokens=False))
print(f"smollm: 'x ½' is cut as {own} by SmolLM's rule, {found} as read from the file")

core = trained(plain, "\u00e9 " * 9)
read = from_gguf(core, "qwen2")
core.normalizer = normalizers.NFC()
composed, apart = core.encode("e\u0301").tokens, read.encode("e\u0301", add_special_tokens=False)
print(f"qwen2: 'e' and a mark are {len(composed)} token where characters are composed, {len(apart)} as read from the file")
if own == found or len(composed) != 1 or len(apart) == 1:
    raise SystemExit("no longer as stated")
print("as stated: other ids than the model's own tokenizer gives")
PY
