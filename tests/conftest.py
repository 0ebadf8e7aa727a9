"""Hypothesis profiles, one thread for PyTorch, a count of the examples that ran, absent extras.

HYPOTHESIS_PROFILE picks the profile: ``dev`` (quick; the default), ``ci`` (the same examples every
time; the default where CI is set), ``deep`` (a hundred times as many, at least 300,000 in all).

Without PyTorch, or another extra, the tests that need it are skipped and say so; the others run.
"""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from npformer.cards import discovery
from tests.exhaustive import in_share
from tests.extras import installed, skip_if_it_lacks_an_extra

# A property's own share of the profile is set in examples.py. No deadline: a shared machine's
# pauses are no property of the code. Drawing a whole model's case is slow and large by nature.
COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("dev", max_examples=15, **COMMON)
settings.register_profile("ci", max_examples=25, derandomize=True, database=None, **COMMON)
settings.register_profile("deep", max_examples=2600, **COMMON)
# Python looks for cycles every 700 new objects, and Hypothesis measures each time how long it took.
gc.set_threshold(50_000, 20, 20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))

if installed("torch"):
    import torch

    torch.set_num_threads(1)

_ran = {"examples": 0}


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and sweeps without pictures, which take longer than a small run; others look at them."""
    monkeypatch.setattr(
        "npformer.train.run_log.draw_curve", lambda metrics, path, **_: path.write_bytes(b"png")
    )
    monkeypatch.setattr("npformer.sweep.run.draw_pictures", lambda result: [])


class FileOfTests(pytest.Module):
    """A file that is skipped when it imports an extra that is not installed."""

    def collect(self) -> Any:
        try:
            return super().collect()
        except self.CollectError as error:
            skip_if_it_lacks_an_extra(error.__cause__)
            raise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return FileOfTests.from_parent(parent, path=module_path)


def _skipping_what_lacks_an_extra() -> Iterator[Any]:
    try:
        return (yield)
    except ModuleNotFoundError as error:
        skip_if_it_lacks_an_extra(error)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[Any]:
    """A test is skipped when a fixture of its imports an extra that is not installed."""
    return (yield from _skipping_what_lacks_an_extra())


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Iterator[Any]:
    """So is one that does so itself, or calls what does."""
    return (yield from _skipping_what_lacks_an_extra())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is beyond CI's share, and make the examples of Hypothesis be counted.

    A component whose card is missing, or lacks something, is an error whatever tests are asked for.
    A card's twin can be looked for only where PyTorch is.
    """
    if installed("torch") and (problems := discovery.problems()):
        raise pytest.UsageError("\n".join(problems))
    items[:], left_out = in_share(items)
    config.hook.pytest_deselected(items=left_out)
    for item in items:
        handle = getattr(getattr(item, "obj", None), "hypothesis", None)
        if handle is not None and not hasattr(handle.inner_test, "counted"):
            handle.inner_test = _counted(handle.inner_test)


def pytest_collection_finish(session: pytest.Session) -> None:
    """All that is there by now stays; Python need not look for cycles in it again and again."""
    gc.freeze()


def _counted(test: Any) -> Any:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> Any:
        result = test(*args, **kwargs)
        _ran["examples"] += 1
        return result

    run.counted = True  # type: ignore[attr-defined]
    return run


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its count to the controller."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["hypothesis_examples"] = _ran["examples"]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The controller adds a finished worker's count to its own."""
    _ran["examples"] += getattr(node, "workeroutput", {}).get("hypothesis_examples", 0)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line at the end of the run."""
    profile = settings.get_current_profile_name()
    terminalreporter.write_line(f"Hypothesis: {_ran['examples']:,} examples, profile {profile}")
