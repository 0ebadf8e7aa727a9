#!/usr/bin/env bash
# transformers: NLLB's tokenizer, read from sentencepiece.bpe.model, has no languages or shifts their ids by one.
#
# Versions    transformers 5.23.0, tokenizers 0.23.3, sentencepiece 0.2.3, protobuf 7.36.2, Python 3.11
# Behaviour   The published NLLB has 202 languages right behind its pieces and <mask> behind them: the library's own test asks for
#             256047 of eng_Latn, the 47th, and 256203 of <mask>. A tokenizer that is read from the file has <mask> first. Where
#             special_tokens_map.json lists the languages, or no file does, there are none: the id before a text is that of
#             <unk>, without a word. Where tokenizer_config.json lists them, each has the id of the one behind it.
#             With their ids in added_tokens_decoder all is well.
# Seen        transformers 5.23.0
#             no list:                eng_Latn is <unk>, <mask> is 41
#             special_tokens_map:     eng_Latn is <unk>, <mask> is 41
#             tokenizer_config:       eng_Latn is 88, <mask> is 41
#             added_tokens_decoder:   eng_Latn is 87, <mask> is 243
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf==7.36.2
cd "$work"
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import io
import json
from pathlib import Path

import sentencepiece
import transformers
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES, NllbTokenizer

print(f"transformers {transformers.__version__}")
out = io.BytesIO()
texts = [f"a few words of a text, number {n}" for n in range(99)]
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(texts), model_writer=out, vocab_size=40, model_type="bpe", minloglevel=2
)
tokens = ["<s>", "<pad>", "</s>", "<unk>"]
places = dict(enumerate(tokens)) | dict(enumerate([*FAIRSEQ_LANGUAGE_CODES, "<mask>"], 41))
said = {"additional_special_tokens": FAIRSEQ_LANGUAGE_CODES}
ids = {str(i): {"content": token, "special": True} for i, token in places.items()}
files = {
    "no list": {},
    "special_tokens_map": {"special_tokens_map.json": said},
    "tokenizer_config": {"tokenizer_config.json": said},
    "added_tokens_decoder": {"tokenizer_config.json": {**said, "added_tokens_decoder": ids}},
}
found = []
for name, tables in files.items():
    folder = Path(name)
    folder.mkdir()
    (folder / "sentencepiece.bpe.model").write_bytes(out.getvalue())
    own = {"tokenizer_config.json": {}} | tables
    for file, table in own.items():
        table = {"tokenizer_class": "NllbTokenizer", **table} if "config" in file else table
        (folder / file).write_text(json.dumps(table))
    tokenizer = NllbTokenizer.from_pretrained(folder, src_lang="eng_Latn")
    first, mask = tokenizer("a text").input_ids[0], tokenizer.convert_tokens_to_ids("<mask>")
    found.append((tokenizer.convert_ids_to_tokens(first), first, mask))
    print(f"{name + ':':23} eng_Latn is {'<unk>' if first == 3 else first}, <mask> is {mask}")
right = 41 + FAIRSEQ_LANGUAGE_CODES.index("eng_Latn")
unknown = ("<unk>", 3, 41)
if found != [unknown, unknown, ("eng_Latn", right + 1, 41), ("eng_Latn", right, 243)]:
    raise SystemExit("no longer as stated")
print("as stated: the languages' ids are not those of the model")
PY
