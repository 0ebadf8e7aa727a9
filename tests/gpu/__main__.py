"""All that is to be measured on a GPU, in one go, and a report of it.

    python -m tests.gpu runs/h200 --corpus pairs.tsv.xz      # on a GPU; about an hour
    python -m tests.gpu runs/trial --device cpu              # the same on small shapes: minutes

Each stage is a process of its own, whose output becomes a section of RUN/report.md as soon as it
is there; one that fails is told with its exit status, and the next begins. Needs the extra marian.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

NPFORMER = ("-m", "npformer")
LONGEST = 40.0
"""Minutes after which any stage is ended."""


class Stage(NamedTuple):
    """A process: what it shows, Python's arguments, and after how many minutes it is to end."""

    title: str
    arguments: tuple[str, ...]
    minutes: float = LONGEST


class Sizes(NamedTuple):
    """What the stages measure."""

    presets: tuple[str, ...]
    twin: tuple[str, ...]
    """Options of the twin: where, in which precision, compiled or not."""
    bench: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    minutes: float = 20.0
    """Of the training run at the end."""


GPU = Sizes(("base", "big"), ("--device", "cuda", "--precision", "bf16", "--compile"))
SMALL = Sizes(
    ("tiny",),
    ("--device", "cpu", "--no-compile"),
    bench=("--rounds", "1", "--steps", "1", "--decode-tokens", "4", "--batch", "64"),
    updates=("--updates", "6", "--batch-tokens", "256", "--vocab-size", "300"),
    minutes=2.0,
)
"""To see that the script runs; on a CPU nothing is claimed of the figures."""


def stages(directory: Path, corpus: str, sizes: Sizes) -> list[Stage]:
    """What is run, in this order: the short ones first."""
    preset, run = sizes.presets[0], str(directory / "run")
    bench = (*NPFORMER, "bench", "--engine", "torch", *sizes.twin, *sizes.bench)
    data = ("--preset", preset, "--corpus", corpus, *sizes.updates)
    device = sizes.twin[1]
    return [
        Stage(
            "Tests that take the GPU where there is one",
            ("-m", "pytest", "-q", "-n", "0", "tests/torch_ref/test_attention_kernels.py",
             "tests/torch_ref/test_dropout_masks.py"),
        ),
        Stage(
            "Decoding with and without graphs: the same tokens, and how fast",
            ("-m", "tests.gpu.decoding", preset, device),
        ),
        *(
            Stage(
                f"The plan beside the measured memory: {name}{' checkpointed' * bool(more)}",
                (*NPFORMER, "plan", "--preset", name, "--check", *sizes.twin[:2],
                 *sizes.updates[2:], *more),
            )
            for name in sizes.presets
            for more in ((), ("--checkpoint-activations",))
        ),
        *(
            Stage(
                f"The twin beside {what}",
                (*bench, "--presets", *sizes.presets, "--model", family,
                 "--json", str(directory / f"bench-{family}.json")),
            )
            for family, what in (
                ("transformer", "torch.nn.Transformer and MarianMTModel"),
                ("gpt", "transformers' Llama, both decoders alone"),
            )
        ),
        Stage(
            "DDP of one rank",
            ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m",
             "torch_ref.train", str(directory / "ddp"), *data, *sizes.twin, "--parallel", "ddp",
             *(() if sizes.updates else ("--updates", "100"))),
        ),
        Stage(
            f"{sizes.minutes:g} minutes of {preset}",
            (*NPFORMER, "train", run, "--engine", "torch", *data, *sizes.twin),
            sizes.minutes,
        ),
        Stage("What it has learned", (*NPFORMER, "evaluate", run, "--engine", "torch")),
    ]  # fmt: skip


def carry_out(stage: Stage) -> str:
    """The stage's section of the report: command, time, exit status, output."""
    command, began = [sys.executable, *stage.arguments], time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    try:
        output, _ = process.communicate(timeout=60 * stage.minutes)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # a training run ends with a checkpoint
        try:
            output, _ = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
    seconds = time.monotonic() - began
    return (
        f"## {stage.title}\n\n`{' '.join(['python', *stage.arguments])}`: {seconds:,.0f} s, exit "
        f"status {process.returncode}\n\n```\n{output.strip()}\n```\n"
    )


def main(arguments: list[str] | None = None) -> None:
    """Carry out every stage."""
    # In the background of a script this is ignored, and so would the stages ignore their end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="RUN", help="new, for the report and runs")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--corpus", default="grammar", help="as for npformer train")
    given = parser.parse_args(arguments)
    given.directory.mkdir(parents=True)
    report = given.directory / "report.md"
    sizes = GPU if given.device == "cuda" else SMALL
    report.write_text(f"# Measured on {given.device}\n\n", encoding="utf-8")
    for stage in stages(given.directory, given.corpus, sizes):
        section = carry_out(stage)
        with report.open("a", encoding="utf-8") as file:
            file.write(section + "\n")
        print(section, flush=True)


if __name__ == "__main__":
    main()
