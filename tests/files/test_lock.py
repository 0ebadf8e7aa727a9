"""One process at a time."""

from __future__ import annotations

import pytest

from npformer.files.lock import hold


def test_a_lock_is_held_by_one_at_a_time_and_let_go_after_an_error(tmp_path):
    path = tmp_path / "lock"
    with hold(path), pytest.raises(BlockingIOError), hold(path):
        pass
    with pytest.raises(KeyError), hold(path):
        raise KeyError
    with hold(path):
        pass
