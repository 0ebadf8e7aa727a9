"""What type checkers are shown of the package also runs, and the package says that it has types."""

from __future__ import annotations

from importlib import resources

import pytest

from tests.typing.user import look, prove, train


def test_it_records_checks_and_trains(tmp_path):
    assert look() > 10
    assert prove()
    assert train(tmp_path / "run") == 2


@pytest.mark.parametrize("package", ["npformer", "torch_ref"])
def test_the_package_says_that_it_has_types(package):
    assert resources.files(package).joinpath("py.typed").is_file()
