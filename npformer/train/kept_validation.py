"""The validation pairs of a finished run, and what to say if its corpus is another one by now."""

from __future__ import annotations

from typing import NamedTuple

from npformer.config import DataConfig
from npformer.errors import CheckpointError, counted
from npformer.text.corpus import ParallelCorpus, is_plain_text, load_corpus
from npformer.text.pairs_file import pairs_from_bytes
from npformer.text.stream import PairStream
from npformer.train.checkpoint import Checkpoint
from npformer.train.data_record import (
    UNKNOWN,
    VALIDATION,
    PairsDigest,
    record_of,
    source_files,
    validation_digest,
)
from npformer.train.run_directory import run_of


class KeptValidation(NamedTuple):
    """Pairs that the run was not trained on."""

    pairs: ParallelCorpus
    warnings: list[str]
    """A sentence for everything that is not as it was, or not known."""


def validation_of(checkpoint: Checkpoint) -> KeptValidation:
    """The validation pairs of the run of ``checkpoint``: those that it kept, else the corpus's.

    The corpus's are held out by its present length, so they must be the same as then. A run of an
    older npformer noted nothing: there a warning says that this cannot be known. Raises
    ``CheckpointError`` if they are others, and ``CorpusError``.
    """
    record, data = record_of(checkpoint), checkpoint.config.data
    if record is None:
        return KeptValidation(_of_corpus(data), [f"{checkpoint.path} {UNKNOWN}"])
    pairs = _kept(checkpoint, record.validation)
    scored = f"scored are the {counted(record.validation.pairs, 'validation pair')} of the training"
    if pairs is None:
        pairs = _of_corpus(data)
        if validation_digest(pairs) != record.validation:
            raise CheckpointError(
                f"the validation pairs of {data.validation or data.corpus} are not those of "
                f"{checkpoint.path}, which are not kept beside it in {VALIDATION}: the corpus has "
                "changed, and the model was trained on some of them; name other pairs with --corpus"
            )
    warnings = [f"{change}; {scored}" for change in record.changed_files()]
    if record.since:
        warnings.append(
            f"the run's data was first recorded at update {record.since:,}, when it was resumed: "
            "whether it was trained on these pairs before cannot be known"
        )
    return KeptValidation(pairs, warnings)


def _of_corpus(data: DataConfig) -> ParallelCorpus:
    if is_plain_text(data.corpus):
        return load_corpus(data, text=True)[1]
    return PairStream(data).validation


def trained_on(checkpoint: Checkpoint, corpus: str) -> str:
    """A warning if a corpus is a file that the run was trained on; else ""."""
    record, data = record_of(checkpoint), checkpoint.config.data
    if record is None or data.shards:
        return ""
    names = {file.name for file in source_files(data.corpus)} or {data.corpus}
    training = {file.sha256 for file in record.files if file.name in names}
    if any(file.sha256 in training for file in source_files(corpus)):
        return (
            f"{corpus} is what the model was trained on, but for the validation pairs: leave "
            "--corpus out to score these alone"
        )
    return ""


def _kept(checkpoint: Checkpoint, digest: PairsDigest) -> ParallelCorpus | None:
    """The pairs in the run's directory; None if there are none, or those of another run."""
    try:
        pairs = pairs_from_bytes((run_of(checkpoint.path) / VALIDATION).read_bytes())
    except (OSError, ValueError):
        return None
    return pairs if validation_digest(pairs) == digest else None
