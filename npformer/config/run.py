"""A run: its data, its training, and how the twin runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from npformer.fields import check, check_types
from npformer.optim.config import OptimConfig


@dataclass(frozen=True)
class DataConfig:
    """Which sentence pairs, and how they become batches of token ids."""

    corpus: str = "grammar"
    """`grammar` (built in), a file (tsv, csv, jsonl, tmx, po, parquet, also gz, bz2, xz, zip; for a
    model of language any txt), `FILE.en,FILE.de`, or `hf:NAME/CONFIG`."""
    validation: str = ""
    """The same for the validation pairs; empty takes the corpus's split, or holds out pairs."""
    pairs: int = 0
    """How many training pairs to take, 0 for all (the grammar then gives 200,000)."""
    source_language: str = "en"
    """Language of the source, for the sentence splitter and for corpora that name languages."""
    target_language: str = "de"
    """Language of the target, for corpora that name languages."""
    columns: str = ""
    """Columns or keys of source, target and perhaps a label, as in `2,4`; empty finds them."""
    tokenizer: Literal["bpe", "word", "char"] = "bpe"
    """Kind of vocabulary, trained on the corpus and shared by both languages."""
    vocab_size: int = 8000
    """Largest vocabulary; the trained one may be smaller."""
    batch_tokens: int = 2048
    """Token budget of one batch: rows times the longer side's length, padding included."""
    max_length: int = 128
    """Longer pairs, in tokens, are left out of training and counted."""
    pack: bool = False
    """Put several texts into one row, up to max_length tokens, each apart (models of language)."""
    mask_probability: float = 0.15
    """Share of a text's tokens that are hidden, for a model that sees it whole and predicts them
    (bert)."""
    shards: str = ""
    """Directory of the corpus as tokenised, memory-mapped shards; empty keeps it in memory."""

    def __post_init__(self) -> None:
        check_types(self)
        check(self.pairs >= 0, f"pairs is {self.pairs}; it must be 0 or more")
        check(
            0 < self.mask_probability < 1,
            f"mask_probability is {self.mask_probability}; it must be > 0 and < 1",
        )
        for name, least in (("vocab_size", 8), ("batch_tokens", 1), ("max_length", 2)):
            value = getattr(self, name)
            check(value >= least, f"{name} is {value}; it must be {least} or more")


@dataclass(frozen=True)
class TrainConfig:
    """One training run: how long, how often to look, and on which engine."""

    engine: Literal["numpy", "torch"] = "numpy"
    """The hand-written backward, or the PyTorch twin."""
    updates: int = 2000
    """Optimizer updates in all."""
    accumulate: int = 1
    """Batches whose gradients are summed into one update."""
    label_smoothing: float = 0.1
    """Probability spread evenly over the vocabulary in the target (paper, section 5.4)."""
    z_loss: float = 0.0
    """Add so many times the square of each token's log-sum-exp of logits, such as 1e-4 (PaLM)."""
    seed: int = 0
    """Decides the initial weights, the data order and every dropout mask."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of weights, activations and gradients."""
    workers: int = 2
    """Slices of a batch that run side by side, each on a thread of its own (NumPy engine)."""
    checkpoint_activations: bool = False
    """Keep only each layer's input, and make the rest again in the backward."""
    ahead: int = 2
    """Batches kept ready, built by a thread while the engine is busy; 0 builds in turn."""
    validate_every: int = 500
    """Updates between looks at the validation set."""
    validation_pairs: int = 200
    """Pairs of it to translate for BLEU and chrF (0: none); its loss is over all of them."""
    validation_beam: int = 1
    """Beam of these translations; 1 is greedy."""
    checkpoint_every: int = 500
    """Updates between checkpoints."""
    keep: int = 5
    """Newest checkpoints that stay on disk, beside the best; how many the final average takes."""

    def __post_init__(self) -> None:
        check_types(self)
        for name in (
            "updates",
            "accumulate",
            "workers",
            "validate_every",
            "validation_beam",
            "checkpoint_every",
            "keep",
        ):
            value = getattr(self, name)
            check(value >= 1, f"{name} is {value}; it must be 1 or more")
        for name in ("seed", "ahead", "validation_pairs"):
            value = getattr(self, name)
            check(value >= 0, f"{name} is {value}; it must be 0 or more")
        check(
            0.0 <= self.label_smoothing < 1.0,
            f"label_smoothing is {self.label_smoothing}; it must be in [0, 1)",
        )
        check(self.z_loss >= 0, f"z_loss is {self.z_loss}; it must be 0 or more")


@dataclass(frozen=True)
class TwinConfig:
    """How the PyTorch twin runs: devices, precision, memory. NumPy's engine passes it over."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs (twin); `auto` takes a GPU if there is one."""
    precision: Literal["full", "bf16"] = "full"
    """`full` is --dtype; `bf16` makes the products in bfloat16 over float32 weights (twin)."""
    tf32: bool = True
    """Let a GPU make float32 products in TF32, with 10 bits of mantissa (twin)."""
    compile: bool = False
    """Compile the layers with torch.compile: minutes at the start; worth it on a GPU (twin)."""
    loss_chunk: int = 1024
    """Target tokens whose logits exist at one time; 0 takes all of a batch at once (twin)."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """On many GPUs: the whole model on each (ddp), or a share of it (fsdp) (twin)."""
    timeout: int = 300
    """Seconds that one rank waits for the others before it gives up (twin)."""
    tensorboard: bool = False
    """Also write TensorBoard's event files, into the run's directory (twin)."""

    def __post_init__(self) -> None:
        check_types(self)
        check(self.loss_chunk >= 0, f"loss_chunk is {self.loss_chunk}; it must be 0 or more")
        check(self.timeout >= 1, f"timeout is {self.timeout}; it must be 1 or more")


@dataclass(frozen=True)
class AdapterConfig:
    """What is trained in the place of a model's weights, which stay as they are."""

    lora: int = 0
    """Freeze all weights, and train updates of this rank on some linear layers (LoRA); 0: none."""
    lora_alpha: float | None = None
    """An update counts alpha / rank times, with --lora; alpha is the rank unless given."""
    lora_targets: str = "q_proj,v_proj"
    """Names of the linear layers, with --lora, or `all`."""
    dora: bool = False
    """Train each row's length by itself too, with --lora (arXiv:2402.09353)."""

    def __post_init__(self) -> None:
        check_types(self)
        check(self.lora >= 0, f"lora is {self.lora}; it must be 1 or more, or 0 for none")
        check(
            self.lora_alpha is None or self.lora_alpha > 0,
            f"lora_alpha is {self.lora_alpha}; it must be > 0, or not given",
        )
        usual = AdapterConfig.__dataclass_fields__
        changed = [n for n in ("lora_alpha", "lora_targets", "dora")
                   if getattr(self, n) != usual[n].default]  # fmt: skip
        check(
            self.lora > 0 or not changed,
            f"{', '.join(changed)} is for adapters, and there are none; give lora, their rank",
        )


USUAL_BETA = {"dpo": 0.1, "kto": 0.1, "simpo": 2.0}
"""Of each loss of answers, as published (SimPO's are 2 to 2.5)."""


@dataclass(frozen=True)
class PreferenceConfig:
    """What is learned from answers that somebody judged, in the place of the next token."""

    prefer: Literal["none", "dpo", "simpo", "kto"] = "none"
    """Learn from judged answers, JSON lines: from pairs (prompt, chosen, rejected) by `dpo`, or by
    `simpo`, which has no reference; from single ones (prompt, completion, label) by `kto`."""
    beta: float | None = None
    """Factor of an answer's reward, with --prefer; 0.1, and 2 for simpo, unless given."""
    label_noise: float = 0.0
    """Share of the pairs taken to be judged the wrong way round, with --prefer dpo."""
    margin: float = 0.0
    """By how much the chosen answer's reward is to be larger, with --prefer simpo."""
    desirable_weight: float = 1.0
    """Weight of the answers whose label is true, with --prefer kto."""
    undesirable_weight: float = 1.0
    """Weight of the answers whose label is false, with --prefer kto."""

    def __post_init__(self) -> None:
        check_types(self)
        beta, noise = self.beta, self.label_noise
        check(beta is None or beta > 0, f"beta is {beta}; it must be > 0, or not given")
        check(0 <= noise <= 0.5, f"label_noise is {noise}; it must be in [0, 0.5]")
        check(self.margin >= 0, f"margin is {self.margin}; it must be 0 or more")
        for name in ("desirable_weight", "undesirable_weight"):
            value = getattr(self, name)
            check(value > 0, f"{name} is {value}; it must be > 0")
        usual = PreferenceConfig.__dataclass_fields__
        for kind, names in (
            ("dpo", ("label_noise",)),
            ("simpo", ("margin",)),
            ("kto", ("desirable_weight", "undesirable_weight")),
        ):
            changed = [n for n in names if getattr(self, n) != usual[n].default]
            check(
                self.prefer == kind or not changed,
                f"{', '.join(changed)} is for answers that are judged; give prefer, {kind!r}",
            )
        check(
            self.judged or beta is None,
            "beta is for answers that are judged; give prefer, the loss",
        )

    @property
    def factor(self) -> float:
        """beta, as given or as is usual; where answers are judged alone."""
        return USUAL_BETA[self.prefer] if self.beta is None else self.beta

    @property
    def judged(self) -> bool:
        """Whether answers are learned from, and not the next token."""
        return self.prefer != "none"

    @property
    def answers(self) -> int:
        """How many answers are judged together: 2 are a pair, the chosen one first."""
        return 1 if self.prefer == "kto" else 2

    @property
    def by_mean(self) -> bool:
        """Whether an answer's reward is of its mean log-probability, and has no reference."""
        return self.prefer == "simpo"


@dataclass(frozen=True)
class RunConfig:
    """A whole run; a checkpoint carries it as config.json."""

    model: Any
    """A ``ModelConfig``, of one of the families in ``npformer.models``; each has its own fields."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    twin: TwinConfig = field(default_factory=TwinConfig)
    adapters: AdapterConfig = field(default_factory=AdapterConfig)
    preferences: PreferenceConfig = field(default_factory=PreferenceConfig)
