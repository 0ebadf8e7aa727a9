"""For pytest: the fixture ``check_gradients`` and the marker ``npformer``.

    def test_my_layer_norm(check_gradients):
        check_gradients((my_forward, my_backward), against="layer_norm")

    @pytest.mark.npformer(cases=1000, seed=7)
    def test_my_kernel(check_gradients):
        check_gradients(MyKernel, "btd, d", against=my_reference)

A call takes what ``npformer.verify.check`` takes, and fails the test with its message. Unless the
call or the marker says otherwise, the number of cases and whether to shrink are those of the
Hypothesis settings in force (profile or ``@settings``), and the seed that of ``--hypothesis-seed``.
``pytest -m npformer`` selects the tests that check gradients.

pytest imports this file in every project that has npformer installed, so it imports nothing else:
PyTorch and Hypothesis come with the first check.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from npformer.verify import CheckResult

MARKER = "npformer"
RUNNING = pytest.StashKey[pytest.Item]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(cases=, seed=, dtypes=, shrink=): checks gradients; arguments are for every "
        "check_gradients of the test.",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that takes the fixture."""
    for item in items:
        if "check_gradients" in getattr(item, "fixturenames", ()):
            item.add_marker(getattr(pytest.mark, MARKER)())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember which test runs: the fixture outlives it."""
    item.config.stash[RUNNING] = item


# Of the session: Hypothesis refuses a fixture of the function's scope beside @given.
@pytest.fixture(scope="session")
def check_gradients(pytestconfig: pytest.Config) -> Callable[..., CheckResult]:
    """``npformer.verify.check``, which fails the test where it finds a wrong gradient."""

    def checked(implementation: Any, inputs: Any = None, **options: Any) -> CheckResult:
        __tracebackhide__ = True
        from npformer.verify import check

        options = {**_defaults(pytestconfig), **options}
        with _at_the_terminal(pytestconfig, options.get("debug", False)):
            result = check(implementation, inputs, **options)
        if not result:
            raise AssertionError(str(result))
        return result

    return checked


@contextlib.contextmanager
def _at_the_terminal(config: pytest.Config, wanted: bool) -> Iterator[None]:
    """Without pytest's capture, as a debugger needs it."""
    capture = config.pluginmanager.getplugin("capturemanager") if wanted else None
    if capture is not None:
        capture.suspend(in_=True)
    try:
        yield
    finally:
        if capture is not None:
            capture.resume()


def _defaults(config: pytest.Config) -> dict[str, Any]:
    from hypothesis import Phase, settings

    now: settings = settings.default  # type: ignore[assignment]
    found: dict[str, Any] = {"cases": now.max_examples, "shrink": Phase.shrink in now.phases}
    seed = config.getoption("--hypothesis-seed", default=None)
    if seed is not None:
        import random

        found["seed"] = random.getrandbits(32) if seed == "random" else int(seed)
    item = config.stash.get(RUNNING, None)
    for marker in reversed(list(item.iter_markers(MARKER))) if item is not None else ():
        found |= marker.kwargs
    return found
