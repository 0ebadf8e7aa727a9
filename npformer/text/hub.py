"""Sentence pairs from Hugging Face datasets, by name or from a local directory.

``hf:wmt14/de-en`` is the dataset wmt14 in its configuration de-en; ``hf:OWNER/NAME`` and
``hf:OWNER/NAME/CONFIG`` name the datasets of an owner (of two parts, the second is a
configuration if it looks like a pair of languages). ``hf:DIRECTORY`` is what ``save_to_disk``
wrote or a folder of parquet, JSON or CSV files. ``:SPLIT`` at the end chooses a split, or a slice
of one (``train[:1000]``).

A row has a column ``translation`` with a text per language, as the WMT datasets do, or one column
per language, named by it, or source and target; ``columns`` names others.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from npformer.errors import CorpusError, NpformerError, install
from npformer.text.formats.records import Place, find_paths, paths_of, text_of
from npformer.text.formats.wanted import Row, Wanted

_VALIDATION = ("validation", "valid", "dev", "val")
_LANGUAGES = re.compile(r"[a-z]{2,3}[-_][a-z]{2,3}")
_ROWS_AT_ONCE = 1000


class DatasetName(NamedTuple):
    """What a corpus name that begins with ``hf:`` says."""

    path: str
    config: str | None
    split: str | None


def parse_name(spec: str) -> DatasetName:
    """Take ``hf:NAME[/CONFIG][:SPLIT]`` apart; raises ``CorpusError`` if there is no name."""
    whole = spec.removeprefix("hf:")
    if whole and Path(whole).exists():
        return DatasetName(whole, None, None)
    path, _, split = whole.partition(":")
    parts = path.split("/")
    if Path(path).exists() and path:
        return DatasetName(path, None, split or None)
    if not all(parts) or len(parts) > 3:
        raise CorpusError(f"{spec!r} names no dataset; write hf:NAME/CONFIG or hf:DIRECTORY")
    has_config = len(parts) == 3 or (len(parts) == 2 and _LANGUAGES.fullmatch(parts[1]) is not None)
    name = "/".join(parts[:-1] if has_config else parts)
    return DatasetName(name, parts[-1] if has_config else None, split or None)


def dataset_rows(spec: str, split: str, wanted: Wanted) -> Iterator[Row]:
    """Source, target and, if ``wanted`` names one, label of every row; null is empty text.

    Raises ``CorpusError`` if dataset, split or columns do not exist, and ``NpformerError`` if
    the library is not installed.
    """
    name = parse_name(spec)
    with _library_errors(spec):
        table = _load(name, name.split or _own_name(spec, name, split))
    if not len(table):
        return
    paths = find_paths(repr(spec), paths_of(_first_row(table)), wanted)
    table = table.select_columns(list(dict.fromkeys(path[0] for path in paths)))
    for batch in table.iter(batch_size=_ROWS_AT_ONCE):
        texts = [[text_of(value, repr(spec)) for value in _values(batch, path)] for path in paths]
        labels = texts[2] if len(texts) > 2 else [""] * len(texts[0])
        yield from zip(texts[0], texts[1], labels, strict=True)


def _first_row(table: Any) -> dict[str, Any]:
    """The first row in which every column has a value, or the first of all."""
    rows = table.select(range(min(len(table), _ROWS_AT_ONCE)))
    whole = (row for row in rows if all(value is not None for value in row.values()))
    return next(whole, rows[0])


def _values(batch: dict[str, list[Any]], path: Place) -> list[Any]:
    values = batch[path[0]]
    return values if len(path) == 1 else [(value or {}).get(path[1]) for value in values]


def has_split(spec: str, split: str) -> bool:
    """Whether the dataset has ``split``, under that or another usual name, to spare.

    A split that ``spec`` itself names is not to spare.
    """
    name = parse_name(spec)
    names = _split_names(spec, name)
    asked = (name.split or "").partition("[")[0]
    return any(own in names for own in _aliases(split)) and asked not in _aliases(split)


def _aliases(split: str) -> tuple[str, ...]:
    return _VALIDATION if split == "validation" else (split,)


def _own_name(spec: str, name: DatasetName, split: str) -> str:
    names = _split_names(spec, name)
    for own in _aliases(split):
        if own in names:
            return own
    if len(names) == 1 and split == "train":
        return names[0]
    raise CorpusError(
        f"{spec!r} has no split {split!r}; choose one of {', '.join(names)} by adding :SPLIT"
    )


def _split_names(spec: str, name: DatasetName) -> list[str]:
    library = _library()
    with _library_errors(spec):
        if _is_saved(name.path):
            saved = library.load_from_disk(name.path)
            return list(saved) if isinstance(saved, library.DatasetDict) else ["train"]
        return list(library.get_dataset_split_names(name.path, name.config))


def _load(name: DatasetName, split: str) -> Any:
    library = _library()
    if not _is_saved(name.path):
        return library.load_dataset(name.path, name.config, split=split)
    saved = library.load_from_disk(name.path)
    if not isinstance(saved, library.DatasetDict):
        saved = {"train": saved}
    if split not in saved:
        raise ValueError(f"it has no split {split!r}; choose one of {', '.join(saved)}")
    return saved[split]


def _is_saved(path: str) -> bool:
    """Whether ``path`` is a directory that the library's ``save_to_disk`` wrote."""
    return any((Path(path) / name).exists() for name in ("dataset_dict.json", "state.json"))


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise NpformerError(
            f"an hf: corpus needs Hugging Face datasets; {install('datasets')}"
        ) from error
    return datasets


@contextlib.contextmanager
def _library_errors(spec: str) -> Iterator[None]:
    """What the library says about a dataset that is missing or unreadable, on one line."""
    try:
        yield
    except NpformerError:
        raise
    except Exception as error:  # its own, pyarrow's, the hub's, and the network's
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise CorpusError(f"cannot load {spec!r}: {first_line}") from error
