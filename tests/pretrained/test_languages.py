"""Models of many languages, which are told by ids: NLLB, M2M-100, OPUS-MT's into several."""

from __future__ import annotations

import json
import re

import pytest
import torch
import transformers

from npformer.errors import TokenizerError
from npformer.presets import fine_tuning
from npformer.pretrained.beginning import beginning_config, read_beginning
from npformer.text.model_languages import Languages
from npformer.train.engines import load_model
from tests.pretrained import library, spm

sentencepiece = pytest.importorskip("sentencepiece")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended")
TEXT = "Der Hund sieht das Auto."
SIZES = dict(
    d_model=24, encoder_layers=1, decoder_layers=1, encoder_attention_heads=3,
    decoder_attention_heads=3, encoder_ffn_dim=28, decoder_ffn_dim=28, max_position_embeddings=40,
)  # fmt: skip


def nllb(directory):
    letters = {c: n for n, c in enumerate("▁abcdefghijklmnopqrstuvwxyzABCDEFGH.", 4)}
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, **letters}
    tokenizer = transformers.NllbTokenizer(vocab=vocab, merges=[])
    return tokenizer, transformers.M2M100Config(vocab_size=len(tokenizer), **SIZES)


def m2m_100(directory):
    model = spm.as_opus(150)
    table = spm.numbered(["<s>", "<pad>", "</s>", "<unk>"], spm.pieces(model)[2:])
    (directory / "sentencepiece.bpe.model").write_bytes(model)
    (directory / "vocab.json").write_text(json.dumps(table), encoding="utf-8")
    tokenizer = transformers.M2M100Tokenizer.from_pretrained(directory)
    return tokenizer, transformers.M2M100Config(vocab_size=len(table) + 108, **SIZES)


def opus(directory):
    table = spm.opus(directory, languages=["deu", "fra"])
    tokenizer = transformers.MarianTokenizer.from_pretrained(directory)
    pad = table["<pad>"]
    return tokenizer, transformers.MarianConfig(
        vocab_size=len(table), pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0,
        forced_eos_token_id=None, **SIZES,
    )  # fmt: skip


SEED = 2


def words(tokenizer):
    """The ids before those of languages."""
    ids = [i for token, i in tokenizer.get_vocab().items() if "_" in token or "<<" in token]
    return min([*ids, len(tokenizer.encoder) if hasattr(tokenizer, "encoder") else 10**6])


MADE = {"nllb": nllb, "m2m_100": m2m_100, "opus": opus}


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    """By the name: the library's model, its tokenizer, and where both were saved."""
    found = {}
    for name, make in MADE.items():
        saved = tmp_path_factory.mktemp(name)
        tokenizer, config = make(tmp_path_factory.mktemp("made"))
        tokenizer.save_pretrained(saved)
        model = library.random_model(config, seed=SEED, kind="AutoModelForSeq2SeqLM")
        with torch.no_grad():  # so that it seldom writes a language, or the same piece again
            model.get_input_embeddings().weight[words(tokenizer) :] *= 0.1
            for path, weight in model.named_parameters():
                if weight.ndim == 2 and "layers" in path:
                    weight *= 8
        library.saved(model, saved)
        found[name] = model, tokenizer, saved
    return found


def written(model, tokenizer, inputs, language):
    """The library's greedy text, which has neither padding nor its language in it."""
    with library.exact(), torch.no_grad():
        (ids,) = model.generate(
            **inputs, do_sample=False, num_beams=1, max_new_tokens=40,
            suppress_tokens=[model.config.pad_token_id], bad_words_ids=[[language]],
            forced_bos_token_id=language,
        )  # fmt: skip
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize(
    ("name", "source", "target", "own"),
    [
        ("nllb", "German", "fr", ("deu_Latn", "fra_Latn")),
        ("nllb", "deu_Latn", "zho_Hant", ("deu_Latn", "zho_Hant")),
        ("m2m_100", "de", "fra", ("de", "fr")),
    ],
)
def test_a_translation_begins_with_the_language_that_is_given(
    npformer, downloads, tmp_path, name, source, target, own
):
    model, tokenizer, saved = downloads[name]
    assert npformer("load", saved, tmp_path / "run", "--dtype", "float64").status == 0
    told = ("--source-language", source, "--target-language", target)
    ended = npformer("translate", tmp_path / "run", TEXT, "--beam", 1, *told)
    assert ended.status == 0, ended.err
    tokenizer.src_lang = own[0]
    inputs = tokenizer(TEXT, return_tensors="pt")
    language = (
        tokenizer.get_lang_id(own[1])
        if name == "m2m_100"
        else tokenizer.convert_tokens_to_ids(own[1])
    )
    expected = written(model, tokenizer, inputs, language)
    if name == "m2m_100":  # the library's writes its languages too
        expected = re.sub("__[a-z]+__", "", expected)
    assert ended.out.split() == expected.split()
    assert len(set(ended.out)) > 3
    fixed = tmp_path / "fixed"
    assert npformer("load", saved, fixed, "--dtype", "float64", *told).status == 0
    again = npformer("translate", fixed, TEXT, "--beam", 1)
    assert again.out == ended.out
    # A run that begins with it is in the same languages, unless others are given.
    config = beginning_config(fixed)
    assert fine_tuning(config).data.source_language == source
    languages = (config.data.source_language, config.data.target_language)
    told_again = read_beginning(fixed, "float64", *languages).tokenizer
    assert told_again.to_bytes() == load_model(fixed).tokenizer.to_bytes()
    begun = load_model(fixed).tokenizer
    assert begun.begin == (model.config.decoder_start_token_id, language)
    assert begun.source(begun.encode(TEXT)) == inputs.input_ids[0].tolist()


def test_opus_mt_reads_its_target_before_the_source(npformer, downloads, tmp_path):
    model, tokenizer, saved = downloads["opus"]
    assert npformer("load", saved, tmp_path / "run", "--dtype", "float64").status == 0
    options = ("--beam", 1, "--source-language", "de", "--target-language", "fr")
    ended = npformer("translate", tmp_path / "run", TEXT, *options)
    assert ended.status == 0, ended.err
    own = npformer("translate", tmp_path / "run", f">>fra<< {TEXT}", "--beam", 1)
    assert own.out == ended.out
    ids = load_model(tmp_path / "run").tokenizer.between("de", "fr").source([5])
    assert ids == tokenizer(">>fra<< ").input_ids[:1] + [5, 0]


def test_what_is_allowed_is_said(refused, npformer, downloads, tmp_path):
    for name in MADE:
        assert npformer("load", downloads[name][2], tmp_path / name).status == 0
    said = refused("translate", tmp_path / "nllb", TEXT)
    assert "give --target-language, where it is loaded or translates, one of ace_Arab, " in said
    told = ("--source-language", "de", "--target-language")
    said = refused("translate", tmp_path / "nllb", TEXT, *told, "zh")
    assert "'zh' may be zho_Hans, zho_Hant; give one of them" in said
    said = refused("translate", tmp_path / "m2m_100", TEXT, *told, "tlh")
    assert "no language 'tlh'; it has af, am, ar, " in said
    said = refused("translate", tmp_path / "opus", TEXT, *told, "deutsh")
    assert "it has deu, fra; did you mean 'deu'?" in said
    said = refused("load", downloads["opus"][2], tmp_path / "no", "--target-language", "nl")
    assert "no language 'nl'; it has deu, fra" in said
    assert not (tmp_path / "no").exists()
    page = ("explore", "--checkpoint", tmp_path / "nllb", "--text", "a", "--target", "b")
    assert "--target-language" in refused(*page, "--out", tmp_path / "page.html")


def test_a_model_that_is_told_no_language_says_so(refused, trained):
    said = refused("translate", trained, "3 dogs.", "--target-language", "de")
    assert "is told no language" in said


def test_a_language_goes_by_its_names():
    found = Languages({"deu_Latn": 5, "zho_Hans": 6, "zho_Hant": 7, "ace_Arab": 8}, False)
    names = ("deu_Latn", "de", "German", "zho_Hans", "ace_Arab")
    assert [found.id_of(name) for name in names] == [5, 5, 5, 6, 8]
    for name in ("zh", "ace", "", "english"):
        with pytest.raises(TokenizerError):
            found.id_of(name)
