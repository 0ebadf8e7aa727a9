"""Which tests run where PyTorch, or another extra of setup.cfg, is not installed."""

from __future__ import annotations

import importlib.util

import pytest

EXTRAS = (
    *("torch", "jax", "datasets", "spacy", "optuna", "tensorboard", "transformers", "gguf"),
    "sentencepiece",
    *("polib", "pyarrow", "array_api_strict", "playwright", "jupytext", "sphinx", "myst_nb"),
)
"""The modules without which a test is skipped."""


def installed(package: str) -> bool:
    """Whether there is a module of that name."""
    return importlib.util.find_spec(package) is not None


def skip_if_not_installed(package: str) -> None:
    """Skip the test or file at hand if ``package`` is an extra that is not installed."""
    if package in EXTRAS and not installed(package):
        pytest.skip(f"needs {package}", allow_module_level=True)


def skip_if_it_lacks_an_extra(error: BaseException | None) -> None:
    """The same of one that ended in ``error``."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        skip_if_not_installed(error.name.partition(".")[0])
