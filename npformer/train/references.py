"""What answers were worth to the model before training: measured once, and kept with the run.

So the reference of ``--prefer`` is numbers and no second model in memory, adapters need not be
turned off and on, and a resumed run, on either engine, has the same ones to the bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import safetensors.numpy

from npformer.config import PreferenceConfig
from npformer.errors import CheckpointError
from npformer.files.array_file import ArrayFile
from npformer.files.atomic import write_file
from npformer.text.judged_batches import JudgedBatches
from npformer.train.engine import AnswerEngine, Engine
from npformer.train.judged_validation import JudgedValidation, measure_references
from npformer.train.prepared import Prepared
from npformer.train.ranks import Ranks

REFERENCES = "references.safetensors"


def give_references(
    prepared: Prepared,
    preferences: PreferenceConfig,
    engine: Engine,
    directory: Path,
    ranks: Ranks,
    *,
    resumed: bool,
) -> None:
    """Give the batches of answers what the engine's model, at its beginning, makes of them.

    A resumed run reads what its first start left in ``directory``. Raises ``CheckpointError`` if
    that is gone, damaged or of other answers, or cannot be written.
    """
    if not preferences.judged or preferences.by_mean:
        return
    assert isinstance(prepared.batches, JudgedBatches)
    assert isinstance(prepared.validation, JudgedValidation)
    every = {"training": prepared.batches, "validation": prepared.validation.judged}
    path = directory / REFERENCES
    if resumed:
        found = _read(path, {name: len(b.pairs.target) for name, b in every.items()})
    else:
        measured = measure_references(cast(AnswerEngine, engine), [*every.values()], ranks)
        found = dict(zip(every, measured, strict=True))
        if ranks.rank == 0:
            try:
                write_file(path, safetensors.numpy.save(found))
            except OSError as error:
                raise CheckpointError(f"cannot write {path}: {error.strerror}") from error
    for name, batches in every.items():
        batches.reference = found[name]


def _read(path: Path, counts: dict[str, int]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise CheckpointError(
            f"{path} is gone, and with it what the answers were worth when the run began: bring it "
            "back, or train in another directory"
        )
    arrays = ArrayFile(path)
    found = {name: arrays[name] for name in counts if name in arrays}
    if {name: array.size for name, array in found.items()} != counts:
        raise CheckpointError(
            f"{path} is not of the answers of this run; train in another directory, from its start"
        )
    return found
