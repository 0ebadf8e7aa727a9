"""Text to ids and back, and files that are no tokenizers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from npformer.errors import TokenizerError
from npformer.text.tokenizer import (
    BOS,
    EOS,
    KINDS,
    PAD,
    SPECIAL_NAMES,
    UNK,
    UNKNOWN_MARK,
    Tokenizer,
)

TEXTS = [
    "The old house stands by the sea.",
    "Das alte Haus steht am Meer.",
    "He said, \"It's 3.14!\" (or not) – wasn't it?",
    "Äpfel, Öl und  Übermut:\tsüß … 😀",
    "<pad> ⟨pad⟩ ⟨eos⟩ </s>",
    " leading and trailing ",
]
SIZES = {"bpe": 320, "word": 200, "char": 200}


@pytest.fixture(scope="module")
def trained() -> dict[str, Tokenizer]:
    return {kind: Tokenizer.train(TEXTS * 3, kind, SIZES[kind]) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_the_corpus_come_back(trained, kind):
    tokenizer = trained[kind]
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert UNK not in ids
        assert len(tokenizer.tokens(ids)) == len(ids)
    assert tokenizer.encode_batch(TEXTS) == [tokenizer.encode(text) for text in TEXTS]


any_text = st.text(st.characters(codec="utf-8"))


@given(any_text)
@example(" ")
@example("⟨pad⟩⟨unk⟩⟨bos⟩⟨eos⟩<pad>")
@example("\x00\ufeff\u2028\U0010ffff")
def test_byte_pairs_write_any_text(trained, text):
    ids = trained["bpe"].encode(text)
    assert trained["bpe"].decode(ids) == text
    assert all(id > EOS for id in ids)


@pytest.mark.parametrize("kind", ["word", "char"])
@given(text=st.text(st.sampled_from(sorted(set("".join(TEXTS)))), max_size=30))
def test_known_characters_come_back_and_unknown_words_are_marked(trained, kind, text):
    tokenizer = trained[kind]
    ids = tokenizer.encode(text)
    assert not {PAD, BOS, EOS} & set(ids)
    if UNK not in ids:
        assert tokenizer.decode(ids) == text
    else:
        assert kind == "word"
        assert UNKNOWN_MARK in tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [("word", "Das neue Haus.", f"Das {UNKNOWN_MARK} Haus."), ("char", "Qu", f"{UNKNOWN_MARK}u")],
)
def test_unknown_words_and_characters_become_unk(trained, kind, text, shown):
    ids = trained[kind].encode(text)
    assert ids.count(UNK) == 1
    assert trained[kind].decode(ids) == shown


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_any_ids_decode(trained, kind, data):
    tokenizer = trained[kind]
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1)))
    ordinary = [i for i in ids if i not in (PAD, BOS, EOS)]
    assert tokenizer.decode(ids) == tokenizer.decode(ordinary)
    assert len(tokenizer.tokens(ids)) == len(ids)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [-1, 10_000])
def test_ids_out_of_range(trained, kind, wrong):
    for method in (trained[kind].decode, trained[kind].tokens):
        with pytest.raises(IndexError, match=rf"token id {wrong} is not in \[0, "):
            method([wrong])


def test_tokens_are_readable(trained):
    tokenizer = trained["bpe"]
    ids = [PAD, UNK, BOS, EOS, *tokenizer.encode("ß\n語")]
    assert tokenizer.tokens(ids)[:4] == list(SPECIAL_NAMES)
    shown = "".join(tokenizer.tokens(ids)[4:])
    assert shown == "▁ß⏎‹E8›‹AA›‹9E›" or shown == "▁‹C3›‹9F›⏎‹E8›‹AA›‹9E›"
    assert trained["word"].tokens(trained["word"].encode("The house")) == ["▁The", "▁house"]


def test_a_frequent_text_cannot_take_a_special_token_s_id():
    for name in (*SPECIAL_NAMES, "⟨pad⟩", "⟨unk⟩"):
        tokenizer = Tokenizer.train([name * 50, f"{name} {name}"] * 50, "bpe", 400)
        ids = tokenizer.encode(name * 3)
        assert min(ids) > EOS
        assert tokenizer.decode(ids) == name * 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_vocabulary_keeps_to_its_size_and_begins_with_the_special_ids(trained, kind):
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert 4 < trained[kind].vocab_size <= SIZES[kind]
    small = Tokenizer.train(TEXTS, kind, 260)
    assert small.vocab_size <= 260


@pytest.mark.parametrize("kind", KINDS)
def test_save_and_load(trained, kind, tmp_path):
    path = tmp_path / "tokenizer.json"
    trained[kind].save(path)
    loaded = Tokenizer.load(path)
    assert [p.name for p in tmp_path.iterdir()] == ["tokenizer.json"]
    assert (loaded.kind, loaded.vocab_size) == (kind, trained[kind].vocab_size)
    assert loaded.encode_batch(TEXTS) == trained[kind].encode_batch(TEXTS)
    assert [loaded.decode(loaded.encode(text)) for text in TEXTS] == TEXTS
    loaded.save(tmp_path / "again.json")
    assert path.read_bytes() == (tmp_path / "again.json").read_bytes()


TRAIN_AGAIN = """
import sys
from npformer.text.tokenizer import Tokenizer
texts = [f"wort{i % 7} number{i % 11} Haus{i % 13} {i}" for i in range(500)]
Tokenizer.train(texts, sys.argv[1], 400).save(sys.argv[2])
"""


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_texts_give_the_same_file_in_any_process(kind, tmp_path):
    for run, threads in enumerate(("1", "4")):
        environment = {**os.environ, "PYTHONHASHSEED": str(run), "RAYON_NUM_THREADS": threads}
        command = [sys.executable, "-c", TRAIN_AGAIN, kind, str(tmp_path / f"{run}.json")]
        subprocess.run(command, check=True, env=environment)
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()


FORK = """
import os
from npformer.text.tokenizer import Tokenizer
tokenizer = Tokenizer.train(["a b c"] * 100, "word", 10)
ids = tokenizer.encode_batch(["a b"] * 5000)
child = os.fork()
if child == 0:
    Tokenizer.train(["a b c"] * 5000, "word", 10)
    os._exit(0 if tokenizer.encode_batch(["a b"] * 5000) == ids else 1)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("inherited", [{}, {"TOKENIZERS_PARALLELISM": "true"}])
def test_a_forked_child_works_without_warning_or_deadlock(inherited):
    environment = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"} | inherited
    # From Python 3.12 on, Python itself warns of every fork beside other threads.
    python = [sys.executable, "-W", "ignore:This process:DeprecationWarning"]
    result = subprocess.run(
        [*python, "-c", FORK], env=environment, capture_output=True, text=True, timeout=100
    )
    assert (result.stdout.strip(), result.stderr) == ("0", "")


@pytest.mark.parametrize(
    ("texts", "kind", "size", "message"),
    [
        (TEXTS, "wrod", 100, "did you mean 'word'"),
        (TEXTS, "bpe", 100, "needs 260 or more"),
        (TEXTS, "char", 4, "needs 5 or more"),
        ([], "bpe", 300, "no text to train"),
        (["", ""], "word", 300, "no text to train"),
        (["a", "\ud800"], "word", 300, "cannot train"),
    ],
)
def test_what_cannot_be_trained(texts, kind, size, message):
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.train(texts, kind, size)


def test_half_a_surrogate_pair_is_no_text(trained):
    with pytest.raises(TokenizerError, match=r"U\+D800, at character 2"):
        trained["bpe"].encode("ab\ud800")
    with pytest.raises(TokenizerError, match=r"U\+DFFF, at character 0"):
        trained["char"].encode_batch(["fine", "\udfff"])
    with pytest.raises(TokenizerError, match="not int"):
        trained["char"].encode(3)  # type: ignore[arg-type]


def damaged(text: str, change) -> str:
    content = json.loads(text)
    change(content)
    return json.dumps(content)


def rename_special(content):
    content["model"]["vocab"]["<s>"] = content["model"]["vocab"].pop("⟨bos⟩")
    content["added_tokens"][BOS]["content"] = "<s>"


def leave_a_gap(content):
    vocabulary = content["model"]["vocab"]
    vocabulary[max(vocabulary, key=vocabulary.get)] += 5


def lose_a_byte(content):
    vocabulary = content["model"]["vocab"]
    vocabulary["aaaaaaaaa"] = vocabulary.pop("Ā")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: "", "damaged"),
        (lambda text: "{}", "damaged"),
        (lambda text: "[1, 2]", "damaged"),
        (lambda text: damaged(text, lambda c: c.pop("model")), "damaged"),
        (lambda text: damaged(text, lambda c: c["model"]["merges"].append(["q", "zz"])), "damaged"),
        (lambda text: damaged(text, lambda c: c.update(normalizer=None)), "did not write"),
        (lambda text: damaged(text, rename_special), "special tokens"),
        (lambda text: damaged(text, leave_a_gap), "damaged: its ids"),
        (lambda text: damaged(text, lose_a_byte), "spell every byte"),
    ],
)
def test_files_that_are_no_tokenizer(trained, tmp_path, change, message):
    path = tmp_path / "tokenizer.json"
    trained["bpe"].save(path)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.load(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(TokenizerError, match="there is no tokenizer file"):
        Tokenizer.load(tmp_path / "none.json")
    with pytest.raises(TokenizerError, match="cannot read"):
        Tokenizer.load(tmp_path)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TokenizerError, match="cannot read"):
        Tokenizer.load(tmp_path / "binary.json")
