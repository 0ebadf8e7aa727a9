"""``npformer load``: a model that somebody else has trained becomes a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from npformer.cli.common import what_to_try
from npformer.cli.figures import reporter
from npformer.config import DataConfig
from npformer.pretrained import from_pretrained
from npformer.pretrained.run import check_free, save_run


@dataclass(frozen=True)
class Command:
    """Read a published model, and write it as a run that the other commands read.

    The source is a directory as it was downloaded: config.json, its weights as model.safetensors,
    as shards with their index or as pytorch_model.bin (which needs PyTorch), and tokenizer.json or
    files of SentencePiece (extra sentencepiece). Or it is a GGUF file (extra gguf) of Llama, Qwen 2
    or 3, Gemma 2 or 3, or GPT-2. Nothing is downloaded, and no code of the source is run. Weights
    of fewer bits are widened.

    What of its config or its weights npformer does not know is refused by name, and then nothing is
    written.

    A model of many languages is told which ones by every command, or here for all of them.

    Examples:
      npformer load downloads/SmolLM2-135M runs/smollm2
      npformer load downloads/gpt2 runs/gpt2 --dtype float64
      npformer load downloads/qwen2.5-0.5b-instruct-q4_k_m.gguf runs/qwen
      npformer generate runs/smollm2 "The capital of France is" --temperature 0
    """

    source: tyro.conf.Positional[Path]
    """The directory or GGUF file of the published model."""
    run: tyro.conf.Positional[Path]
    """The directory to write; it must not exist."""
    source_language: str | None = None
    """Language of texts that are read, where the model is told it (M2M-100, NLLB)."""
    target_language: str | None = None
    """Language of texts that are written, where the model is told it (also OPUS-MT)."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the weights, and of what is computed with them."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""

    def __call__(self) -> int:
        check_free(self.run)
        found = from_pretrained(self.source, self.dtype)
        tokenizer = found.tokenizer().between(self.source_language, self.target_language)
        usual = DataConfig()
        data = DataConfig(
            source_language=self.source_language or usual.source_language,
            target_language=self.target_language or usual.target_language,
        )
        save_run(found, tokenizer, self.run, data)
        model = found.model
        lines = [
            f"{found.source.config['model_type']}: {model.config.shape}, "
            f"{model.parameter_count():,} parameters, {tokenizer.vocab_size:,} ids",
            f"run          {self.run}",
            f"try          {what_to_try(model.config, self.run)}",
        ]
        reporter(None, self.quiet).out("\n".join(lines), highlight=False)
        return 0
