"""Datasets from local directories, with the library and without the network."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from npformer.config import DataConfig
from npformer.errors import CorpusError, NpformerError
from npformer.text.corpus import load_corpus, read_pairs
from npformer.text.hub import DatasetName, parse_name
from npformer.train.make_shards import make_shards

pytestmark = pytest.mark.filterwarnings("default")  # the library's own


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("hf:wmt14/de-en", ("wmt14", "de-en", None)),
        ("hf:wmt14", ("wmt14", None, None)),
        ("hf:bentrevett/multi30k", ("bentrevett/multi30k", None, None)),
        ("hf:Helsinki-NLP/opus-100/de-en", ("Helsinki-NLP/opus-100", "de-en", None)),
        ("hf:wmt14/de-en:validation", ("wmt14", "de-en", "validation")),
        ("hf:wmt14/de-en:train[:1%]", ("wmt14", "de-en", "train[:1%]")),
    ],
)
def test_names(spec, name):
    assert parse_name(spec) == DatasetName(*name)


@pytest.mark.parametrize("spec", ["hf:", "hf::train", "hf:a/b/c/d", "hf:a//b"])
def test_names_of_nothing(spec):
    with pytest.raises(CorpusError, match="names no dataset"):
        parse_name(spec)


def test_the_library_missing_says_how_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(NpformerError, match=r"pip install -e '\.\[datasets\]'"):
        load_corpus(DataConfig(corpus="hf:wmt14/de-en"))


@pytest.fixture
def library(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return datasets


def nested(count, prefix=""):
    return [{"translation": {"en": f"{prefix}e{n}", "de": f"{prefix}d{n}"}} for n in range(count)]


def write_folder(folder, **splits) -> str:
    folder.mkdir()
    for split, rows in splits.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text)
    return f"hf:{folder}"


def test_a_saved_dataset_with_its_own_validation(library, tmp_path):
    splits = {
        "train": library.Dataset.from_list(nested(5)),
        "validation": library.Dataset.from_list(nested(2, "v")),
    }
    library.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    spec = f"hf:{tmp_path / 'saved'}"
    train, validation = load_corpus(DataConfig(corpus=spec, pairs=4))
    assert (train.source, train.target) == (["e0", "e1", "e2", "e3"], ["d0", "d1", "d2", "d3"])
    assert (validation.source, validation.target) == (["ve0", "ve1"], ["vd0", "vd1"])
    reverse = read_pairs(spec, split="validation", source_language="de", target_language="en")
    assert reverse.source == ["vd0", "vd1"]
    assert read_pairs(f"{spec}:validation").source == ["ve0", "ve1"]
    with pytest.raises(CorpusError, match="no split 'test'; choose one of train, validation"):
        read_pairs(spec, split="test")
    with pytest.raises(CorpusError, match="no split 'nope'"):
        read_pairs(f"{spec}:nope")


def test_a_dataset_in_shards(library, tmp_path):
    """Rows as the WMT datasets have them, from English and from German."""
    splits = {
        "train": library.Dataset.from_list([*nested(5), *nested(2, "v"), {"translation": None}]),
        "validation": library.Dataset.from_list(nested(2, "v")),
        "test": library.Dataset.from_list(nested(3, "t")),
    }
    library.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    for source, target in ("en", "de"), ("de", "en"):
        data = DataConfig(
            corpus=f"hf:{tmp_path / 'saved'}",
            source_language=source,
            target_language=target,
            tokenizer="word",
            vocab_size=30,
        )
        shards = make_shards(data, tmp_path / source, rows_per_shard=3)
        training, validation = load_corpus(data)
        assert (
            shards.validation().source == validation.source == [f"v{source[0]}0", f"v{source[0]}1"]
        )
        sides = shards.gather(np.arange(len(shards)))
        for side, texts in zip(sides, (training.source, training.target), strict=True):
            assert side.sizes.tolist() == [1] * 5
            assert [shards.tokenizer().decode([i]) for i in side.ids] == texts
        totals = [shards.manifest.total(what) for what in ("rows", "pairs", "empty", "shared")]
        assert totals == [8, 5, 1, 2]


def test_a_saved_dataset_without_splits_holds_out_pairs(library, tmp_path):
    library.Dataset.from_list(nested(40)).save_to_disk(tmp_path / "saved")
    train, validation = load_corpus(DataConfig(corpus=f"hf:{tmp_path / 'saved'}"))
    assert (len(train), validation.source) == (38, ["e10", "e30"])


def test_a_folder_of_files_with_a_column_per_language(library, tmp_path):
    rows = [{"en": f"e{n}", "de": f"d{n}", "id": n} for n in range(6)]
    rows[2]["de"] = None
    rows[3]["en"] = " "
    spec = write_folder(tmp_path / "folder", train=rows, validation=[{"en": "v", "de": "w"}])
    train, validation = load_corpus(DataConfig(corpus=spec))
    assert (train.source, train.empty) == (["e0", "e1", "e4", "e5"], 2)
    assert (validation.source, validation.target) == (["v"], ["w"])
    assert read_pairs(f"{spec}:train[:2]").source == ["e0", "e1"]
    other = write_folder(tmp_path / "other", train=nested(1, "x"))
    train, validation = load_corpus(DataConfig(corpus=other, validation=spec))
    assert (train.source, validation.source) == (["xe0"], ["v"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"en": "a", "fr": "b"}], "no text for language 'de'; it has en, fr"),
        ([{"translation": {"en": "a", "fr": "b"}}], "no text for language 'de'; it has en, fr"),
        ([{"translation": "a"}], "does not say which .*; it has translation"),
        ([{"en": "a", "de": 3}], "holds int where a sentence should be"),
    ],
)
def test_columns_that_do_not_fit(library, tmp_path, rows, message):
    with pytest.raises(CorpusError, match=message):
        read_pairs(write_folder(tmp_path / "folder", train=rows))


def test_datasets_that_cannot_be_loaded(library, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "state.json").write_text("{")
    for name in ("empty", "damaged"):
        with pytest.raises(CorpusError, match="cannot load 'hf:") as caught:
            read_pairs(f"hf:{tmp_path / name}")
        assert "\n" not in str(caught.value)
