"""The tables of families in docs/pretrained.md; ``python -m tests.pretrained`` writes them.

Of each family the worst of its specimens, each a random model of the library's; float32 is the
error of npformer's run in units of the library's own.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from npformer import decode
from npformer.pretrained import Pretrained, from_pretrained
from tests.pretrained import library
from tests.pretrained import test_encoder_decoders as encoder_decoders
from tests.pretrained import test_encoders as encoders
from tests.pretrained import test_speech as speech
from tests.pretrained.measure import Run, greedy, of_library, of_numpy, quirks_of, rounding, worst
from tests.pretrained.specimens import ENCODER_DECODERS, SPECIMENS, SPEECH

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pretrained.md"


def measured(name: str, directory: Path) -> dict[str, Any]:
    """The figures of one specimen."""
    model = library.random_model(SPECIMENS[name]())
    found = from_pretrained(library.saved(model, directory), np.float64)
    rng = np.random.default_rng(0)
    ids = rng.integers(3, found.model.config.vocab_size, (2, 11))
    dlogits = rng.standard_normal((*ids.shape, found.model.config.vocab_size))
    exact = of_library(found, model, ids, dlogits)
    narrow = from_pretrained(directory)
    ours = of_numpy(narrow, ids, dlogits.astype(np.float32))
    theirs = of_library(narrow, library.narrow(directory), ids, dlogits)
    return {
        **figures(found, of_numpy(found, ids, dlogits), exact, ours, theirs),
        "greedy": greedy(found, ids[:, :5], 20) == library.greedy(model, ids[:, :5], 20),
    }


def of_encoder(name: str, directory: Path) -> dict[str, Any]:
    """The figures of one encoder that predicts tokens."""
    both = encoders.loaded(lambda name: library.published(name, directory), name)
    dlogits = encoders.upstream(both)
    exact = encoders.of_library(both, both.model, dlogits)
    theirs = encoders.of_library(both, library.narrow(directory, "AutoModelForMaskedLM"), dlogits)
    ours = encoders.of_ours(both, from_pretrained(directory), dlogits.astype(np.float32))
    return figures(both.ours, encoders.of_ours(both, both.ours, dlogits), exact, ours, theirs)


def of_encoder_decoder(name: str, directory: Path) -> dict[str, Any]:
    """The figures of one encoder-decoder."""
    both = encoder_decoders.loaded(lambda name: library.published(name, directory), name)
    exact = encoder_decoders.of_library(both, both.model)
    narrow = library.narrow(directory, "AutoModelForSeq2SeqLM")
    theirs = encoder_decoders.of_library(both, narrow)
    found = from_pretrained(directory)
    ours = encoder_decoders.of_numpy(both, found, both.dlogits.astype(np.float32))
    wide = encoder_decoders.of_numpy(both, both.ours, both.dlogits)
    never = encoder_decoders.marks(both, 10**6, 12)
    model, source = both.ours.model, both.source
    written = {
        "greedy": decode.greedy(model, source, **never),
        "beam": decode.beam(model, source, beam=3, alpha=0.0, **never),
    }
    return {
        **figures(both.ours, wide, exact, ours, theirs),
        **{
            way: tokens == encoder_decoders.generated(both, beams=beams, end=None, new=12)
            for (way, tokens), beams in zip(written.items(), (1, 3), strict=True)
        },
    }


def of_speech(name: str, directory: Path) -> dict[str, Any]:
    """The figures of one model that hears; greedy and beam, of three, are twelve tokens."""
    both = speech.loaded(lambda name: library.published(name, directory), name)
    exact, narrow = speech.of_library(both, both.model), library.narrow(directory, speech.KIND)
    theirs = speech.of_library(both, narrow, np.float32)
    ours = speech.of_numpy(both, from_pretrained(directory), np.float32)
    wide = speech.of_numpy(both, both.ours)
    said = {"suppress_tokens": [0, 22, 42]}
    writer = speech.transcriber(both, said)
    searches = {"greedy": (decode.greedy, 1), "beam": (speech.BEAM, 3)}
    return {
        **figures(both.ours, wide, exact, ours, theirs),
        **{
            way: writer.tokens(both.audio, search=search, max_length=12)
            == speech.generated(both, said, beams, 12)
            for way, (search, beams) in searches.items()
        },
    }


def figures(found: Pretrained, wide: Run, exact: Run, ours: Run, theirs: Run) -> dict[str, Any]:
    """What every table has."""
    logits, gradients = worst(wide, exact)
    return {
        "family": found.family,
        "logits": logits,
        "gradients": gradients,
        "float32": rounding(ours, exact) / rounding(theirs, exact),
        "quirks": {name for name, _, _ in quirks_of(found.family, found.model.config)},
    }


def rows(names: Iterable[str], of: Callable[[str, Path], dict[str, Any]]) -> str:
    """A row for each family, of the worst that its specimens have."""
    of_family: dict[Any, list[dict[str, Any]]] = {}
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            found = of(name, Path(directory))
        of_family.setdefault(found["family"], []).append(found)
    lines = []
    for family, each in of_family.items():
        title = (type(family).__module__.rpartition(".")[2], *family.model_types)
        cells = [
            f"[{title[0]}](../npformer/pretrained/families/{title[0]}.py)",
            ", ".join(f"`{kind}`" for kind in title[1:]),
            *(f"{max(one[what] for one in each):.0e}" for what in ("logits", "gradients")),
            f"{max(one['float32'] for one in each):.2f}",
            *(
                "the same" if all(one[way] for one in each) else "another"
                for way in ("greedy", "beam")
                if way in each[0]
            ),
            str(len(set.union(*(one["quirks"] for one in each)))),
        ]
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def head(*ways: str) -> str:
    """The lines above the rows."""
    names = ["family", "`model_type`", "logits", "gradients", "float32", *ways, "quirks"]
    lines = ["---", "---", "--:", "--:", "--:", *("---" for _ in ways), "--:"]
    return f"| {' | '.join(names)} |\n|{'|'.join(lines)}|\n"


TABLES = {
    "decoders": lambda: head("greedy") + rows(SPECIMENS, measured),
    "encoders": lambda: head() + rows(encoders.PREDICTING, of_encoder),
    "encoder-decoders": lambda: head("greedy", "beam") + rows(ENCODER_DECODERS, of_encoder_decoder),
    "speech": lambda: head("greedy", "beam") + rows(SPEECH, of_speech),
}
"""By its name on the page: what makes a table. Names given on the command line choose some."""


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    for name in sys.argv[1:] or TABLES:
        table = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- end -->)", re.DOTALL)
        text = table.sub(lambda m, name=name: f"{m[1]}{TABLES[name]()}{m[2]}", text)
    PAGE.write_text(text, encoding="utf-8")
