"""Vocabularies in other forms than tokenizer.json, against how others cut the same texts."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from npformer.errors import TokenizerError
from npformer.pretrained.gguf.vocabulary import BYTE, CONTROL, UNKNOWN, USER_DEFINED, Vocabulary
from npformer.pretrained.names import BYTE_PAIRS, MERGES, TOKENIZER_CONFIG, WORD_PIECES
from npformer.pretrained.source import Source
from npformer.pretrained.tokenizer import read_tokenizer
from npformer.pretrained.vocabularies.byte_pairs import CUTS, byte_pairs
from npformer.pretrained.vocabularies.sentence_pieces import SPACE, sentence_pieces
from npformer.text.byte_alphabet import byte_letters
from npformer.text.published_tokenizer import PublishedTokenizer
from npformer.text.published_vocabulary import LibraryVocabulary

SAID = (
    "The capital of France is Paris. In 1889 it had 2447957 people, don't they?\n\n"
    "The cap of the capital is capital;   the tower's 300 m are ½ of 600.\r\n naïve œuvre 漢字\t"
) * 3
TEXTS = st.text("The capitol 019½.,'s\n\r\tnaïveœ漢字🙂é̈▁", max_size=30)
NUMBERS = {"smollm": 1, "qwen2": 1, "llama-bpe": 3, "llama3": 3, "llama-v3": 3}
"""The most digits in one token, of cuts that have a bound."""


def trained(cut: str) -> tokenizers.Tokenizer:
    """Byte pairs learned from texts that were cut by the same rule."""
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(CUTS[cut]())
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=sorted(byte_letters()), show_progress=False
    )
    core.train_from_iterator([SAID], trainer)
    return core


def of_pairs(cut: str) -> tokenizers.Tokenizer:
    """The same vocabulary in GGUF's words, read back."""
    model = json.loads(trained(cut).to_str())["model"]
    tokens = [*model["vocab"], "<|begin|>", "<|im_end|>"]
    metadata = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": cut,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * (len(tokens) - 2) + [CONTROL] * 2,
        "tokenizer.ggml.merges": [" ".join(pair) for pair in model["merges"]],
        "tokenizer.ggml.bos_token_id": len(tokens) - 2,
        "tokenizer.ggml.eos_token_id": len(tokens) - 2,
        "tokenizer.chat_template": "{{ messages }}",
    }
    return metadata


@pytest.fixture(scope="module", params=CUTS)
def pairs(request, tmp_path_factory):
    metadata = of_pairs(request.param)
    vocabulary = Vocabulary(metadata, tmp_path_factory.mktemp("a") / "b.gguf")
    return request.param, metadata, vocabulary


def test_pairs_of_a_file_cut_a_text_as_their_own_tokenizer(pairs):
    cut, metadata, vocabulary = pairs
    transformers = pytest.importorskip("transformers")
    core = tokenizers.Tokenizer.from_str(vocabulary["tokenizer.json"].decode())
    theirs = _as_the_library(transformers, cut, metadata)

    @given(TEXTS)
    def agree(text):
        ids = core.encode(text, add_special_tokens=False).ids
        # Qwen's own tokenizer composes characters first; the library's reader of GGUF does not.
        read = unicodedata.normalize("NFC", text) if cut == "qwen2" else text
        assert theirs is None or ids == theirs.encode(read, add_special_tokens=False).ids
        if cut != "qwen2":  # which composes characters
            assert core.decode(ids) == text
        digits = [sum(c.isdigit() for c in core.decode([i])) for i in ids]
        assert max(digits, default=0) <= NUMBERS.get(cut, 99)

    agree()


def _as_the_library(transformers, cut, metadata):
    """The library's own reading of a GGUF vocabulary; it knows no smollm."""
    from transformers.integrations.gguf import convert_gguf_tokenizer

    said = {name.removeprefix("tokenizer.ggml."): value for name, value in metadata.items()}
    table = {"tokenizer_type": "gpt2", "pre_tokenizer_type": cut} | {
        name: said[name] for name in ("tokens", "merges", "token_type")
    }
    return None if cut == "smollm" else convert_gguf_tokenizer("llama", table)[0]


def test_special_tokens_of_a_file_are_whole_and_end_a_text(pairs):
    cut, metadata, vocabulary = pairs
    first = metadata["tokenizer.ggml.bos_token_id"]
    said = json.loads(vocabulary["generation_config.json"])
    assert said == {"bos_token_id": first, "eos_token_id": [first, first + 1]}
    tokenizer = PublishedTokenizer(
        LibraryVocabulary.read(vocabulary["tokenizer.json"].decode()), said["eos_token_id"], first
    )
    begun = [first] if cut.startswith("llama") else []
    assert tokenizer.prompt("<|im_end|>") == [*begun, first + 1]
    assert tokenizer.decode([first, first + 1]) == ""
    assert vocabulary["chat_template.jinja"] == b"{{ messages }}"
    assert json.loads(vocabulary[TOKENIZER_CONFIG])["bos_token"] == "<|begin|>"


PIECES = {
    "<unk>": 0.0, "<s>": 0.0, "</s>": 0.0, "<0x0A>": 0.0,
    "▁a": -3.0, "ab": -1.0, "b▁": -4.0, "abb": -6.0, "▁ab": -2.0, "bb": -5.0, "▁▁": -7.0,
    "a": -90.0, "b": -91.0, "▁": -92.0,
}  # fmt: skip


def merged(text: str) -> list[str]:
    """SentencePiece's rule, by itself: the best pair of neighbours, the first of equals."""
    found = [c if c in PIECES else "<0x0A>" if c == "\n" else "<unk>" for c in text]
    while True:
        pairs = [a + b for a, b in zip(found, found[1:], strict=False)]
        best = [(-PIECES[pair], at) for at, pair in enumerate(pairs) if PIECES.get(pair, 0.0) < 0]
        if not best:
            return found
        _, at = min(best)
        found[at : at + 2] = [pairs[at]]


@given(st.text("ab \n", max_size=12), st.booleans())
def test_pieces_are_merged_by_their_scores(text, prefix):
    core = sentence_pieces(
        list(PIECES), list(PIECES.values()), "<unk>", bytes_too=True, prefix=prefix
    )
    spaced = (SPACE if prefix and text else "") + text.replace(" ", SPACE)
    assert core.encode(text).tokens == merged(spaced)
    assert core.decode(core.encode(text).ids) == text


def test_pieces_of_a_file_begin_with_bos_and_fall_back_to_bytes(tmp_path):
    kinds = [UNKNOWN, CONTROL, CONTROL, BYTE] + [1] * (len(PIECES) - 4)
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": list(PIECES),
        "tokenizer.ggml.scores": list(PIECES.values()),
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    vocabulary = Vocabulary(metadata, tmp_path / "b.gguf")
    source = Source(tmp_path, {}, {}, vocabulary, tmp_path)
    tokenizer = read_tokenizer(source, len(PIECES))
    assert tokenizer.tokens(tokenizer.prompt("abb\nz")) == ["<s>", "▁ab", "b", "<0x0A>", "<unk>"]
    assert tokenizer.ends == {2}


@pytest.mark.parametrize("spaces", ["  ", "▁▁"])
def test_runs_of_spaces_that_a_file_defines_are_found_before_any_merge(tmp_path, spaces):
    pieces = [spaces if piece == "▁▁" else piece for piece in PIECES]
    kinds = [UNKNOWN, CONTROL, CONTROL, BYTE] + [1] * (len(PIECES) - 4)
    kinds[pieces.index(spaces)] = USER_DEFINED
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": list(PIECES.values()),
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.add_space_prefix": False,
    }
    vocabulary = Vocabulary(metadata, tmp_path / "b.gguf")
    core = tokenizers.Tokenizer.from_str(vocabulary["tokenizer.json"].decode())
    assert core.encode("a  ab a").tokens == ["a", "▁▁", "ab", "▁a"]  # ▁ab is the better piece
    assert core.decode(core.encode("a  ab a").ids) == "a  ab a"


def test_words_of_an_older_directory_are_cut_as_berts(tmp_path):
    transformers = pytest.importorskip("transformers")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcé漢!", "##b", "##bc", "ab", "##é"]
    (tmp_path / WORD_PIECES).write_text("\n".join(pieces), encoding="utf-8")
    for lowercase in (True, False):
        (tmp_path / TOKENIZER_CONFIG).write_text(json.dumps({"do_lower_case": lowercase}))
        theirs = transformers.BertTokenizer(
            {piece: n for n, piece in enumerate(pieces)}, do_lower_case=lowercase
        )
        ours = read_tokenizer(source_of(tmp_path, "bert"), len(pieces))
        for text in ("abbc ABé! c漢漢ab", "a[MASK]b", "zz", ""):
            assert [*ours.begin, *ours.encode(text), *ours.close] == theirs(text).input_ids


def test_pairs_of_an_older_directory_are_gpt2s(tmp_path):
    transformers = pytest.importorskip("transformers")
    core = trained("gpt-2")
    model = json.loads(core.to_str())["model"]
    (tmp_path / BYTE_PAIRS).write_text(json.dumps(model["vocab"]), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (tmp_path / MERGES).write_text("\n".join(lines), encoding="utf-8")
    theirs = transformers.GPT2Tokenizer(
        vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]]
    )
    ours = read_tokenizer(source_of(tmp_path, "gpt2"), 420)
    assert ours.encode(SAID) == theirs(SAID).input_ids == core.encode(SAID).ids


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("kind", ["roberta", "bart"])
def test_pairs_of_an_older_directory_are_robertas(tmp_path, kind, spaced):
    transformers = pytest.importorskip("transformers")
    model = json.loads(trained("gpt-2").to_str())["model"]
    entries = ["<s>", "<pad>", "</s>", "<unk>", *model["vocab"], "<mask>"]
    vocab = {entry: n for n, entry in enumerate(entries)}
    (tmp_path / BYTE_PAIRS).write_text(json.dumps(vocab), encoding="utf-8")
    (tmp_path / MERGES).write_text("\n".join(" ".join(pair) for pair in model["merges"]))
    (tmp_path / TOKENIZER_CONFIG).write_text(json.dumps({"add_prefix_space": spaced}))
    theirs = transformers.RobertaTokenizer(
        vocab=vocab, merges=[tuple(pair) for pair in model["merges"]], add_prefix_space=spaced
    )
    ours = read_tokenizer(source_of(tmp_path, kind), len(vocab))
    for text in (*mixed(200), SAID, "", "a <mask> b", "a<mask>b</s>c", " <mask>"):
        assert [*ours.begin, *ours.encode(text), *ours.close] == theirs(text).input_ids, text
    del vocab["</s>"]
    (tmp_path / BYTE_PAIRS).write_text(json.dumps(vocab), encoding="utf-8")
    with pytest.raises(TokenizerError, match="vocab.json: its vocabulary has no </s>"):
        read_tokenizer(source_of(tmp_path, kind), len(entries))


def mixed(count):
    """Texts of letters, marks and spaces of several scripts."""
    rng = np.random.default_rng(0)
    signs = [*"abehinrst éßжя漢字🙂'!?.,0123456789", " ", "  ", "\n", "'s", " the", "\u00a0"]
    return ["".join(rng.choice(signs, rng.integers(1, 40))) for _ in range(count)]


def test_what_is_no_vocabulary_is_refused(tmp_path):
    with pytest.raises(TokenizerError, match="cut as 'viking'"):
        byte_pairs({"a": 0}, [], "viking")
    with pytest.raises(TokenizerError, match="merges are not of its vocabulary"):
        byte_pairs({"a": 0}, ["b c"], "gpt-2")
    with pytest.raises(TokenizerError, match="2 pieces and 1 scores"):
        sentence_pieces(["a", "b"], [0.0], None, bytes_too=False, prefix=False)
    for metadata, said in (
        ({}, "holds no vocabulary"),
        ({"tokenizer.ggml.tokens": ["a"], "tokenizer.ggml.model": "t5"}, "of the kind 't5'"),
    ):
        with pytest.raises(TokenizerError, match=said):
            Vocabulary(metadata, tmp_path / "b.gguf")["tokenizer.json"]
    (tmp_path / WORD_PIECES).write_text("[PAD]\n[UNK]\n")
    with pytest.raises(TokenizerError, match=r"vocab.txt: its vocabulary has no \[CLS\]"):
        read_tokenizer(source_of(tmp_path, "bert"), 5)
    with pytest.raises(TokenizerError, match="has no tokenizer.json; the transformers library"):
        read_tokenizer(source_of(tmp_path, "llama"), 5)


def source_of(directory, kind):
    from npformer.pretrained.source import Directory

    return Source(directory, {"model_type": kind}, {}, Directory(directory), directory)
