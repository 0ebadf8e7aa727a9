"""Pairs from parquet, a batch of rows at a time and only the columns that are needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from npformer.errors import CorpusError, NpformerError, install
from npformer.files.content import Content
from npformer.text.formats.records import Place, find_paths, text_of
from npformer.text.formats.wanted import Note, Row, Wanted

_ROWS_AT_ONCE = 10_000


def parquet_rows(content: Content, wanted: Wanted, note: Note) -> Iterator[Row]:
    """The pairs; null is empty text.

    Raises ``CorpusError`` for a damaged file, or columns that are not there or not of text, and
    ``NpformerError`` if pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise NpformerError(
            f"{content.name} is parquet, which needs pyarrow; {install('corpora')}"
        ) from error
    try:
        with parquet.ParquetFile(content.on_disk()) as file:
            paths = find_paths(content.name, _paths(file.schema_arrow, pa), wanted)
            columns = list(dict.fromkeys(path[0] for path in paths))
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                texts = [_texts(batch, path, content.name) for path in paths]
                labels = texts[2] if len(texts) > 2 else [""] * len(batch)
                yield from zip(texts[0], texts[1], labels, strict=True)
    except (pa.ArrowException, OSError) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise CorpusError(f"{content.name} is damaged, or no parquet: {said}") from error


def _paths(schema: Any, pa: Any) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for field in schema:
        if pa.types.is_struct(field.type):
            inner = [field.type.field(n).name for n in range(field.type.num_fields)]
            found |= {f"{field.name}.{name}": (field.name, name) for name in inner}
        else:
            found[field.name] = (field.name,)
    return found


def _texts(batch: Any, path: Place, name: str) -> list[str]:
    values = batch.column(path[0]).to_pylist()
    if len(path) > 1:
        values = [value and value[path[1]] for value in values]
    return [text_of(value, f"{name}: column {'.'.join(path)!r}") for value in values]
