"""Sentence pairs as text in a file of npformer's own: one [source, target, tag] a line, as JSON."""

from __future__ import annotations

import json

from npformer.text.corpus import ParallelCorpus


def pairs_to_bytes(corpus: ParallelCorpus) -> bytes:
    """The content of the file."""
    rows = zip(corpus.source, corpus.target, corpus.tags, strict=True)
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def pairs_from_bytes(content: bytes) -> ParallelCorpus:
    """The reverse. Raises ``ValueError`` for anything else."""
    rows = [json.loads(line) for line in content.split(b"\n")[:-1]]
    source, target, tags = ([row[column] for row in rows] for column in range(3))
    return ParallelCorpus(source, target, tags)
