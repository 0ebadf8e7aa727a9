"""Shards hold what memory would hold, and nothing that happened to them goes unseen."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.config import DataConfig
from npformer.errors import CorpusError
from npformer.files import atomic
from npformer.text.batches import Batches
from npformer.text.corpus import load_corpus
from npformer.text.pairs import encode_pairs
from npformer.text.shard_manifest import MANIFEST, read_manifest
from npformer.text.shards import ShardedPairs, check_shards
from npformer.text.tokenizer import Tokenizer
from npformer.train.make_shards import make_shards
from tests.examples import examples
from tests.text.sharded import content, small_data, small_shards, write_corpus


@pytest.fixture(scope="module", autouse=True)
def without_flushing():
    """No power fails here, and many small files are written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic.os, "fsync", lambda descriptor: None)
        yield


letters = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)
texts = st.one_of(letters, st.sampled_from(["a b c", "a", "  ", "the cat", "日本 🙂 é"]))


@examples(0.6)
@given(
    st.lists(st.tuples(texts, texts), max_size=40),
    st.sampled_from([("char", 8), ("char", 60), ("word", 20), ("bpe", 260), ("bpe", 300)]),
    st.integers(4, 30),
    st.integers(1, 45),
    st.integers(0, 20),
    st.booleans(),
)
def test_shards_equal_memory(
    tmp_path_factory, pairs, vocabulary, max_length, rows_per_shard, limit, own
):
    folder = tmp_path_factory.mktemp("shards")
    kind, size = vocabulary
    data = DataConfig(
        corpus=write_corpus(folder / "a.tsv", [("ab", "cd"), *pairs, ("ef", "gh")]),
        validation=write_corpus(folder / "b.tsv", [("u", "U")]) if own else "",
        pairs=limit,
        tokenizer=kind,
        vocab_size=size,
        max_length=max_length,
    )
    training, validation = load_corpus(data)
    tokenizer = Tokenizer.train([*training.source, *training.target], kind, size)
    memory = encode_pairs(training, tokenizer, max_length)
    shards = make_shards(data, folder / "shards", rows_per_shard=rows_per_shard)

    assert shards.tokenizer().to_bytes() == tokenizer.to_bytes()
    assert shards.validation() == dataclasses.replace(validation, empty=0, shared=0)
    assert (len(shards), shards.left_out) == (len(memory), memory.left_out)
    np.testing.assert_array_equal(shards.lengths(), memory.lengths())
    rows = np.random.default_rng(0).integers(0, len(memory), 30)
    for ours, theirs in zip(shards.gather(rows), memory.gather(rows), strict=True):
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.sizes, theirs.sizes)
    one, other = (Batches(source, 64, 1) for source in (shards, memory))
    for rows, same in zip(one.epoch(2), other.epoch(2), strict=True):
        np.testing.assert_array_equal(rows, same)
        ours, theirs = one.batch(rows), other.batch(same)
        np.testing.assert_equal(vars(ours), vars(theirs))
        assert ours.targets.dtype == theirs.targets.dtype
        assert all(ids.dtype == theirs.inputs[name].dtype for name, ids in ours.inputs.items())


def test_a_vocabulary_too_large_for_16_bits(tmp_path):
    words = [f"w{n}" for n in range(70_000)]
    pairs = [(" ".join(words[n : n + 100]), words[-1 - n]) for n in range(0, 70_000, 100)]
    held = write_corpus(tmp_path / "b.tsv", [("u", "U")])
    data = DataConfig(
        corpus=write_corpus(tmp_path / "a.tsv", pairs),
        validation=held,
        tokenizer="word",
        vocab_size=80_000,
    )
    shards = make_shards(data, tmp_path / "shards")
    assert (shards.manifest.dtype, shards.tokenizer().vocab_size) == ("int32", 70_004)
    source, target = shards.gather(np.arange(len(shards)))
    assert source.ids.max() > 1 << 16
    tokenizer = shards.tokenizer()
    assert [tokenizer.decode(source.ids[:100]), tokenizer.decode(target.ids[:1])] == [*pairs[0]]


def test_the_files_are_what_the_format_says(tmp_path):
    _, shards = small_shards(tmp_path)
    names = {"manifest.json", "tokenizer.json", "validation.jsonl"}
    names |= {f"{kind}-{n:05}.npy" for kind in ("ids", "lengths") for n in range(4)}
    assert {path.name for path in (tmp_path / "shards").iterdir()} == names
    ids = [np.load(tmp_path / "shards" / f"ids-{n:05}.npy") for n in range(4)]
    lengths = [np.load(tmp_path / "shards" / f"lengths-{n:05}.npy") for n in range(4)]
    assert {array.dtype for array in ids} == {np.dtype(np.uint16)}
    np.testing.assert_array_equal(np.concatenate(lengths) + 1, shards.lengths())
    row = len(lengths[0]) + 1  # the second pair of the second shard
    start = lengths[1][0].sum()
    source, target = shards.gather(np.array([row]))
    np.testing.assert_array_equal(ids[1][start:][: source.ids.size], source.ids)
    np.testing.assert_array_equal(ids[1][start + source.ids.size :][: target.ids.size], target.ids)
    assert isinstance(shards._shard(1).base, np.memmap)


def test_the_manifest_counts_every_row(tmp_path):
    _, shards = small_shards(tmp_path)
    manifest = shards.manifest
    counts = [manifest.total(w) for w in ("pairs", "too_long", "empty", "shared", "held_out")]
    assert manifest.rows == manifest.total("rows") == sum(counts) == 24
    assert min(counts[:4]) > 0
    assert [shard.rows for shard in manifest.shards] == [7, 7, 7, 3]
    assert manifest.taken == manifest.learnt_from == len(shards) + shards.left_out
    assert shards.bytes == sum(map(len, content(shards.directory).values())) - len(
        (shards.directory / MANIFEST).read_bytes()
    )


def test_no_row_and_rows_that_are_not_there(tmp_path):
    _, shards = small_shards(tmp_path)
    source, target = shards.gather(np.array([], np.int64))
    assert (source.ids.size, target.sizes.size) == (0, 0)
    with pytest.raises(IndexError):
        shards.gather(np.array([len(shards)]))


def faults(size: int) -> list[tuple[str, int]]:
    """Ways to damage a file of ``size`` bytes."""
    places = sorted({0, 1, size // 3, size // 2, size - 1, *range(8, size, max(1, size // 9))})
    flips = [("flip", place) for place in places if place < size]
    return [*flips, ("cut", 0), ("cut", size // 2), ("cut", size - 1), ("grow", 1), ("gone", 0)]


def damage(path, kind: str, at: int) -> None:
    whole = path.read_bytes()
    if kind == "gone":
        path.unlink()
    elif kind == "flip":
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << (at % 8)]) + whole[at + 1 :])
    else:
        path.write_bytes(whole[:at] if kind == "cut" else whole + b"\n" * at)


def read_everything(directory) -> None:
    """What a training run reads."""
    shards = ShardedPairs(directory)
    shards.tokenizer(), shards.validation()
    shards.gather(np.arange(len(shards)))


def test_every_fault_is_seen_said_in_one_line_and_repaired(tmp_path):
    data, _ = small_shards(tmp_path)
    directory = tmp_path / "shards"
    before = content(directory)
    count = 0
    for name, whole in before.items():
        for kind, at in faults(len(whole)):
            damage(directory / name, kind, at)
            for read in (check_shards, read_everything):
                with pytest.raises(CorpusError) as caught:
                    read(directory)
                assert "\n" not in str(caught.value)
                assert name in str(caught.value)
            if name == MANIFEST:
                (directory / name).write_bytes(whole)
            else:
                assert str(caught.value).endswith(f"with: npformer shard {directory}")
                if count % 5 == 0:  # each would take a while
                    make_shards(data, directory)
                else:
                    (directory / name).write_bytes(whole)
            assert (directory / name).read_bytes() == whole
            count += 1
    assert content(directory) == before
    assert count >= 150


def test_directories_that_hold_no_shards(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, why in [("none", "does not exist"), ("empty", "no manifest"), ("file", "manifest")]:
        with pytest.raises(CorpusError, match=f"holds no shards.*{why}.*npformer shard"):
            ShardedPairs(tmp_path / name)
    for text in ("{}", "[1]", "3", "not json", '{"format": "other", "version": 1}'):
        (tmp_path / "empty" / MANIFEST).write_text(text)
        with pytest.raises(CorpusError, match="damaged, or npformer did not write it"):
            ShardedPairs(tmp_path / "empty")


def test_shards_of_another_version(tmp_path):
    _, shards = small_shards(tmp_path)
    path = shards.directory / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(CorpusError, match="format version 2; this npformer reads version 1"):
        read_manifest(shards.directory)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(max_length=8), r"made with --max-length 9, not 8: give the same, or"),
        (dict(vocab_size=300), r"made with --vocab-size 400, not 300"),
        (dict(corpus="other.tsv"), r"made with --corpus '.*train.tsv', not 'other.tsv'"),
        (dict(source_language="fr"), r"made with --source-language 'en', not 'fr'"),
        (dict(pairs=3), r"made with --pairs 0, not 3"),
    ],
    ids=["max_length", "vocab_size", "corpus", "source_language", "pairs"],
)
def test_shards_of_other_settings(tmp_path, change, message):
    data, shards = small_shards(tmp_path)
    other = dataclasses.replace(data, **change)
    for use in (ShardedPairs, lambda directory, data: make_shards(data, directory)):
        with pytest.raises(CorpusError, match=message):
            use(shards.directory, other)
    same = dataclasses.replace(data, batch_tokens=9999, shards="elsewhere")
    assert len(ShardedPairs(shards.directory, same)) == len(shards)


def test_unfinished_shards(tmp_path):
    data = small_data(tmp_path)

    def stop(what: str, done: int, total: int) -> None:
        if what == "tokenising":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_shards(data, tmp_path / "shards", progress=stop)
    with pytest.raises(CorpusError, match="unfinished; continue with: npformer shard"):
        ShardedPairs(tmp_path / "shards")
