"""What the backward keeps, by call and as a table."""

import numpy as np
import pytest

from npformer.inspect import memory_table, record
from tests.inspect.models import VARIANTS, generator, make_batch, make_model, ordinary

variants = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)


def memory_of(cache, parameters):
    """Bytes of all memory that a tree of caches keeps alive, parameters left out."""
    whole, trees = {}, [cache]
    while trees:
        node = trees.pop()
        if isinstance(node, np.ndarray):
            while node.base is not None:
                node = node.base
            whole[id(node)] = node.nbytes
        elif isinstance(node, tuple | list):
            trees += node
    return sum(whole.values()) - sum(whole.pop(id(p.data), 0) for p in parameters)


@variants
@pytest.mark.parametrize("seed", [None, 7])
def test_the_bytes_of_all_calls_are_those_of_the_cache(changes, seed):
    model, batch = make_model(np.float32, **changes), make_batch()
    recording = record(model, batch, rng=generator(seed))
    caches = ordinary(model, batch, seed)[2]
    assert sum(call.cache_bytes for call in recording.calls) == memory_of(
        caches, model.parameters()
    )


def test_an_array_counts_where_it_is_first_kept():
    recording = record(make_model(np.float32), make_batch(), rng=np.random.default_rng(0))
    attention = "encoder.layers.0.self_attn"
    assert recording[f"{attention}.q_proj"].kept == {"x": 3 * 6 * 8 * 4}
    assert recording[f"{attention}.k_proj"].kept == recording[attention].kept == {}
    assert recording[f"{attention}.attention"].kept == {
        "q": 576, "k": 576, "v": 576, "probs": 3 * 2 * 6 * 6 * 4,
    }  # fmt: skip
    assert recording[f"{attention}_residual.dropout"].kept == {"keep": 3 * 6 * 8}
    # ReLU keeps its output, which the next linear map keeps as its input.
    assert recording["encoder.layers.0.feed_forward.activation"].kept == {"y": 3 * 6 * 12 * 4}
    assert recording["encoder.layers.0.feed_forward.linear2"].kept == {}


@variants
def test_its_rows_are_all_that_is_kept(changes):
    recording = record(make_model(**changes), make_batch())
    table = memory_table(recording)
    assert table.total == sum(call.cache_bytes for call in recording.calls) > 0
    assert all(row.bytes > 0 and row.kept for row in table.rows)
    assert table.twin_total is None


def test_layers_are_added_up():
    recording = record(make_model(), make_batch())
    rows = {row.path: row for row in memory_table(recording).rows}
    row = rows["decoder.layers.*.cross_attn.attention"]
    assert row.kept == ("q", "k", "v", "probs")
    assert row.bytes == sum(
        recording[f"decoder.layers.{i}.cross_attn.attention"].cache_bytes for i in range(2)
    )
    assert not any(path.startswith("decoder.layers.0") for path in rows)


def test_it_reads_as_text_and_as_markdown():
    table = memory_table(record(make_model(), make_batch()))
    lines = str(table).splitlines()
    assert lines[0].split() == ["module", "keeps", "bytes"]
    assert lines[-1].split() == ["in", "all", f"{table.total:,}"]
    assert len(lines) == len(table.rows) + 2
    assert len({len(line) for line in lines}) == 1  # numbers end in one column
    shown = table._repr_markdown_().splitlines()
    assert shown[:2] == ["| module | keeps | bytes |", "| --- | --- | --: |"]
    assert shown[2].startswith("| `embedding` | ids, x | ")
    assert shown[-1] == f"|  | in all | {table.total:,} |"


def test_the_twin_stands_beside_it():
    model, batch = make_model(), make_batch()
    recording = record(model, batch)
    other = record(make_model(activation="gelu"), batch)  # any recording will do
    table = memory_table(recording, other)
    assert table.twin_total == sum(call.cache_bytes for call in other.calls)
    assert table.total == memory_table(recording).total
    assert str(table).splitlines()[0].endswith("twin's bytes")
    assert str(table).splitlines()[-1].endswith(f"{table.twin_total:,}")
    alone = [row for row in table.rows if row.twin_bytes and not row.bytes]
    assert [row.path for row in alone] == [
        "encoder.layers.*.feed_forward.linear2", "decoder.layers.*.feed_forward.linear2",
    ]  # fmt: skip
