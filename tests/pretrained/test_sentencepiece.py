"""Vocabularies of SentencePiece's files, against that library and the one whose models they are."""

from __future__ import annotations

import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.errors import TokenizerError
from npformer.pretrained.source import Directory, Source
from npformer.pretrained.tokenizer import read_tokenizer
from npformer.text.published_tokenizer import load_tokenizer
from tests.pretrained import spm
from tests.pretrained.spm import HARD, LETTERS, SAID
from tests.pretrained.test_vocabularies import mixed

sentencepiece = pytest.importorskip("sentencepiece")
TEXTS = st.text(LETTERS, max_size=20) | st.text(max_size=12) | st.sampled_from(SAID[:8])
ROWS = 1000


def read(directory, kind, rows=ROWS, source_rows=None, **config):
    files = Directory(directory)
    config = {"model_type": kind, "eos_token_id": 1, "pad_token_id": 0} | config
    return read_tokenizer(Source(directory, config, {}, files, directory), rows, source_rows)


def llama(directory, **said):
    (directory / "tokenizer.model").write_bytes(spm.as_llama())
    (directory / "tokenizer_config.json").write_text(json.dumps(said))
    return read(directory, "llama", eos_token_id=2, bos_token_id=1)


def t5(directory):
    (directory / "spiece.model").write_bytes(spm.as_t5())
    return read(directory, "t5", is_encoder_decoder=True)


def marian(directory, **how):
    table = spm.opus(directory, **how)
    config = {"is_encoder_decoder": True, "eos_token_id": 0, "pad_token_id": table["<pad>"]}
    return read(directory, "marian", **config)


def m2m_100(directory):
    model = spm.as_opus(150)
    (directory / "sentencepiece.bpe.model").write_bytes(model)
    table = spm.numbered(["<s>", "<pad>", "</s>", "<unk>"], spm.pieces(model)[2:])
    (directory / "vocab.json").write_text(json.dumps(table), encoding="utf-8")
    return read(directory, "m2m_100", is_encoder_decoder=True, eos_token_id=2)


def xlm_roberta(directory):
    (directory / "sentencepiece.bpe.model").write_bytes(spm.as_fairseq("unigram"))
    return read(directory, "xlm-roberta", eos_token_id=2)


def nllb(directory, **said):
    (directory / "sentencepiece.bpe.model").write_bytes(spm.as_fairseq("bpe"))
    said = {"tokenizer_class": "NllbTokenizer"} | said
    (directory / "tokenizer_config.json").write_text(json.dumps(said))
    return read(directory, "m2m_100", is_encoder_decoder=True, eos_token_id=2)


@pytest.mark.parametrize(("make", "model"), [(llama, spm.as_llama), (t5, spm.as_t5)])
def test_ids_and_texts_are_those_of_sentencepiece(tmp_path, make, model):
    ours, theirs = make(tmp_path), sentencepiece.SentencePieceProcessor(model_proto=model())

    @given(TEXTS)
    def agree(text):
        ids = ours.encode(text)
        assert ids == theirs.encode(text)
        assert ours.encode_batch([text, "a"]) == [ids, ours.encode("a")]
        known = [i for i in ids if not theirs.is_unknown(i)]
        assert ours.decode(ids) == theirs.decode(known)
        if make is llama:
            assert ours.decode(ids) == text.replace("▁", " ")

    agree()
    for text in HARD:
        whole = any(token in text for token in ("</s>", "<unk>"))
        assert whole or ours.encode(text) == theirs.encode(text)
    with pytest.raises(TokenizerError, match="half a surrogate pair"):
        ours.encode("a\ud800")


def test_a_text_of_llamas_begins_with_bos_and_of_t5s_ends(tmp_path):
    ours = llama(tmp_path)
    assert ours.prompt("the") == [1, *ours.encode("the")]
    assert ours.ends == {2}
    assert ours.encode("the</s>") == [*ours.encode("the"), 2]
    assert ours.decode([1, *ours.encode("the  car"), 2, 10**6]) == "the  car"
    assert llama(tmp_path, add_bos_token=False, add_eos_token=True).whole([5]) == [5, 2]
    ours = t5(tmp_path)
    assert ours.source(ours.encode("the")) == [*ours.encode("the"), 1]
    assert ours.begin == (0,)
    assert ours.vocab_size == 250
    assert ours.encode("<extra_id_0> <extra_id_99>") == [249, 150]
    assert ours.tokens([249, 1, 500]) == ["<extra_id_0>", "</s>", "‹500›"]
    assert ours.decode([249, 2, *ours.encode("the car")]) == "the car"


def test_a_vocabulary_is_the_same_in_a_checkpoint_and_its_files_as_they_came(tmp_path):
    for make in (llama, t5, m2m_100, marian, xlm_roberta, nllb):
        directory = tmp_path / make.__name__
        directory.mkdir()
        ours = make(directory)
        ours.save(directory / "kept")
        again = load_tokenizer(directory / "kept")
        for text in (*HARD, *SAID[:9]):
            assert again.encode(text) == ours.encode(text)
            assert again.source([5]) == ours.source([5])
        assert (again.before, again.target) == (ours.before, ours.target)
        assert again.languages == ours.languages
        assert again.ends == ours.ends
        for name, content in again.published().items():
            assert (directory / name).read_bytes() == content
        assert again.published().keys() <= set(Directory(directory))


def test_t5_and_llama_are_the_librarys_on_plain_texts(tmp_path):
    """Whose own reading of these files goes other ways on marks over letters and runs of spaces."""
    transformers = pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    ours, theirs = t5(tmp_path), transformers.T5Tokenizer.from_pretrained(tmp_path)
    for text in (*SAID[:9], "Größe ½ ﬁ ① 🙂", "a\nb", "", "The <extra_id_3> car</s>"):
        assert ours.source(ours.encode(text)) == theirs(text).input_ids


@pytest.mark.filterwarnings("ignore:Recommended")
@pytest.mark.parametrize("two", [False, True], ids=["one table", "two tables"])
def test_opus_mt_is_the_librarys(tmp_path, two):
    """A source is cut by one file, a target joined by the other, and a table has the ids."""
    transformers = pytest.importorskip("transformers")
    ours = marian(tmp_path, languages=["deu", "fra"], two=two)
    theirs = transformers.MarianTokenizer.from_pretrained(tmp_path)
    joined = {"use_source_tokenizer": False, "skip_special_tokens": True}

    @given(TEXTS, st.sampled_from(["", ">>deu<< ", ">>fra<<", ">>eng<<", ">>deu"]))
    def agree(text, code):
        ids = ours.source(ours.encode(code + text))
        assert ids == theirs(code + text).input_ids
        written = theirs(text_target=text).input_ids
        assert [*ours.encode_written([text])[0], *ours.close] == written
        expected = theirs.decode(written, clean_up_tokenization_spaces=False, **joined)
        assert ours.decode(written).strip() == expected

    agree()
    unknown = json.loads((tmp_path / "vocab.json").read_text())["<unk>"]
    assert unknown in ours.encode("of the car")  # ▁the is a piece, and not in the table
    for text in HARD:
        assert ours.source(ours.encode(text)) == theirs(text).input_ids
    assert two or ours.begin == (theirs.pad_token_id,)


def test_m2m_100_is_the_librarys(tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = m2m_100(tmp_path)
    theirs = transformers.M2M100Tokenizer.from_pretrained(tmp_path)

    @given(TEXTS)
    def agree(text):
        ids = ours.source(ours.encode(text))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert ids == theirs(text).input_ids
            expected = theirs.decode(ids, skip_special_tokens=True)
        assert ours.decode(ids).strip() == expected.removeprefix("__en__").strip()

    agree()
    for language, i in theirs.lang_token_to_id.items():
        assert ours.tokens([i]) == [language]


MASKED = ("a <mask> b", "a<mask>b", " <mask>", "a</s>b<pad>", "The <mask>  car.")


@pytest.mark.parametrize(("make", "kind"), [(xlm_roberta, "unigram"), (nllb, "bpe")])
def test_fairseqs_ids_are_one_after_the_places_of_pieces(tmp_path, make, kind):
    own = sentencepiece.SentencePieceProcessor(model_proto=spm.as_fairseq(kind))
    ours = make(tmp_path)
    plain = [text for text in HARD if "</s>" not in text]
    for text in (*mixed(200), *plain, *SAID[:9]):
        assert ours.encode(text) == [i + 1 if i else 3 for i in own.encode(text)]
    assert ours.decode(ours.source(ours.encode("The old  man"))) == "The old man"
    assert ours.tokens(range(5)) == ["<s>", "<pad>", "</s>", "<unk>", own.id_to_piece(3)]


def test_xlm_roberta_is_the_librarys(tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = xlm_roberta(tmp_path)
    theirs = transformers.XLMRobertaTokenizer.from_pretrained(tmp_path)
    assert ours.vocabulary.ids() == theirs.get_vocab()
    for text in (*mixed(2000), *HARD, *SAID, *MASKED):
        assert ours.source(ours.encode(text)) == theirs(text).input_ids, text
    assert ours.mask == 401
    assert ours.encode_masked("a [MASK] b") == ours.encode("a <mask> b")


def test_nllb_is_the_librarys(tmp_path):
    """Whose reading of the file has no languages, or a mask before them, unless ids are given.

    It keeps a space at the end of a text, which SentencePiece drops.
    """
    transformers = pytest.importorskip("transformers")
    ours = nllb(tmp_path)
    kept = {"special": True, "rstrip": False, "single_word": False}
    decoder = {
        i: {"content": t, "lstrip": t == "<mask>", "normalized": t == "<mask>", **kept}
        for t, i in ours.vocabulary.ids().items()
        if i < 4 or i > 400
    }
    languages = [decoder[i]["content"] for i in range(401, 603)]
    said = {"added_tokens_decoder": decoder, "additional_special_tokens": languages}
    again = nllb(tmp_path, **said)
    assert again.vocabulary.ids() == ours.vocabulary.ids()
    theirs = transformers.NllbTokenizer.from_pretrained(tmp_path, src_lang="deu_Latn")
    assert ours.vocabulary.ids() == theirs.get_vocab()
    german = ours.between("German", "fra_Latn")
    for text in (*mixed(2000), *SAID, *MASKED):
        assert german.source(german.encode(text)) == theirs(text.rstrip()).input_ids, text
    assert german.begin[-1] == theirs.convert_tokens_to_ids("fra_Latn")
    assert (ours.tokens([401, 602, 603]), ours.vocab_size) == (
        ["ace_Arab", "zul_Latn", "<mask>"],
        604,
    )
    old = nllb(tmp_path, legacy_behaviour=True, src_lang="deu_Latn")
    theirs = transformers.NllbTokenizer.from_pretrained(
        tmp_path, src_lang="deu_Latn", legacy_behaviour=True, **said
    )
    assert old.source(old.encode("a")) == theirs("a").input_ids
    (tmp_path / "special_tokens_map.json").write_text(
        json.dumps({"additional_special_tokens": [*languages[:3], "<own>"]})
    )
    assert nllb(tmp_path).encode("<own><mask>ace_Arab") == [604, 603, 401]
    with pytest.raises(TokenizerError, match="has no xx_Latn, which stands around a text"):
        nllb(tmp_path, src_lang="xx_Latn")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"source.spm": b"nonsense"}, "source.spm is no file of SentencePiece, or damaged"),
        ({"source.spm": b""}, "source.spm is no file of SentencePiece, or damaged: it is empty"),
        ({"target.spm": None}, "target.spm is missing"),
        ({"vocab.json": b"{"}, "vocab.json of .* cannot be read"),
        ({"vocab.json": b'{"</s>": 0, "a": "b"}'}, "no table of pieces and their ids"),
        ({"vocab.json": b'{"a": 1}'}, "no </s>"),
        ({"tokenizer_config.json": b'{"separate_vocabs": true}'}, "target_vocab.json is missing"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, files, said):
    spm.opus(tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content) if content is not None else (
            tmp_path / name
        ).unlink()
    with pytest.raises(TokenizerError, match=said):
        read(tmp_path, "marian")


def test_a_vocabulary_that_does_not_fit_its_embedding_is_refused(tmp_path):
    table = spm.opus(tmp_path, two=True)
    with pytest.raises(TokenizerError, match="they do not belong together"):
        read(tmp_path, "marian", len(table) - 1, 500)
    with pytest.raises(TokenizerError, match="the embedding 50 rows"):
        read(tmp_path, "marian", 500, 50)
