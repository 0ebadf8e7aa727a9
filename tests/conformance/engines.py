"""The packages that are asked, and the versions that are installed for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).parent / "recorded"
LIMIT = 600
"""Seconds that a package may take to answer."""


class Engine(NamedTuple):
    """Packages that answer together."""

    title: str
    module: str
    pinned: tuple[str, ...] = ()
    """What pip installs into the throw-away environment; with nothing, this environment answers."""
    settings: tuple[tuple[str, str], ...] = ()
    """Environment variables."""
    argument: str = ""


NUMPY = "numpy==2.4.6"
JAX = ("jax==0.10.2", "jaxlib==0.10.2", NUMPY)
ONNX = ("onnx==1.23.2", NUMPY)
ENGINES = {
    "npformer": Engine("npformer", "with_npformer"),
    "pytorch": Engine("PyTorch", "with_pytorch"),
    "jax": Engine("JAX", "with_jax", (*JAX, "optax==0.2.8", "flax==0.12.8")),
    "keras": Engine(
        "Keras", "with_keras", (*JAX, "keras==3.15.1"), settings=(("KERAS_BACKEND", "jax"),)
    ),
    "mlx": Engine("MLX", "with_mlx", ("mlx==0.32.4", "mlx-cpu==0.32.4")),
    "tinygrad": Engine(
        "tinygrad", "with_tinygrad", ("tinygrad==0.14.0",), settings=(("DEV", "PYTHON"),)
    ),
    "onnx": Engine("ONNX reference", "with_onnx", ONNX, argument="onnx"),
    "onnxruntime": Engine(
        "ONNX Runtime", "with_onnx", (*ONNX, "onnxruntime==1.32.0"), argument="onnxruntime"
    ),
    "openvino": Engine("OpenVINO", "with_openvino", ("openvino==2026.4.1", *ONNX)),
}


def asked(engine: Engine) -> dict[str, Any]:
    """What the engine answers, run in an environment that is made for it and thrown away.

    Raises ``subprocess.CalledProcessError`` where it cannot be installed or does not answer, and
    ``subprocess.TimeoutExpired`` after ten minutes.
    """
    if not engine.pinned:
        return _answers(engine, Path(sys.executable))
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        install = [str(python), "-m", "pip", "install", "--quiet", *engine.pinned]
        subprocess.run(install, check=True)
        return _answers(engine, python)


def _answers(engine: Engine, python: Path) -> dict[str, Any]:
    command = [str(python), "-m", f"tests.conformance.{engine.module}", engine.argument]
    ran = subprocess.run(
        command,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **dict(engine.settings)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def recorded(name: str) -> dict[str, Any]:
    """What was kept of the engine's last run."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def keep(name: str, answers: dict[str, Any]) -> None:
    """Keeps what a run gave."""
    text = json.dumps(answers, ensure_ascii=False, indent=1)
    (RECORDED / f"{name}.json").write_text(text + "\n", encoding="utf-8")
