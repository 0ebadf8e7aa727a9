from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from npformer.errors import CheckpointError
from npformer.files.array_file import ArrayFile, Form, form_of, write_arrays

ARRAYS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.weight": np.linspace(-1, 1, 5),
    "step": np.array(7, np.int64),
    "nobody": np.zeros((0, 3), np.float32),
    'é"\n': np.full((2, 1, 2), np.nan, np.float16),
    "n": np.arange(3, dtype=np.int32),
}


def write(path, arrays):
    forms = {name: form_of(array) for name, array in arrays.items()}
    write_arrays(path, forms, arrays.__getitem__)


@pytest.mark.parametrize("names", [list(ARRAYS), list(ARRAYS)[::-1], ["step"], []])
def test_the_file_is_the_one_that_safetensors_writes(tmp_path, names):
    arrays = {name: ARRAYS[name] for name in names}
    write(tmp_path / "file", arrays)
    assert (tmp_path / "file").read_bytes() == safetensors.numpy.save(arrays)


def test_arrays_of_any_strides_and_byte_order_are_written_by_value(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    layouts = {"t": array.T, "s": array[:, ::-2], "big": array.astype(">f8")}
    write(tmp_path / "file", layouts)
    for name, found in ArrayFile(tmp_path / "file").items():
        np.testing.assert_array_equal(found, layouts[name])
        assert found.dtype == np.float64


def test_what_is_read_is_a_copy_and_outlives_the_file(tmp_path):
    write(tmp_path / "file", ARRAYS)
    found = ArrayFile(tmp_path / "file")
    (tmp_path / "file").unlink()
    assert len(found) == len(ARRAYS) and set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert form_of(found[name]) == form_of(array)
        found[name][...] = 0
        np.testing.assert_array_equal(found[name], array)
    with pytest.raises(KeyError):
        found["nothing"]


def test_an_array_is_asked_for_once_and_let_go_before_the_next(tmp_path):
    """Eight arrays of 1 MiB take little more memory than one."""
    asked = []

    def array(name):
        asked.append(name)
        return np.ones(2**18, np.float32)

    forms = {name: Form("float32", (2**18,)) for name in "abcdefgh"}
    tracemalloc.start()
    try:
        write_arrays(tmp_path / "file", forms, array)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * 2**20
    finally:
        tracemalloc.stop()
    assert asked == list("abcdefgh")


def test_another_form_than_was_announced_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'w' is .*float64.*, not .*float32"):
        write_arrays(tmp_path / "file", {"w": Form("float32", (2,))}, lambda name: np.ones(2))


@pytest.mark.parametrize("content", [b"", b"no arrays at all", None])
def test_what_is_no_file_of_arrays_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be understood"):
        ArrayFile(tmp_path / "file")


def test_bfloat16_is_read_as_float32(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    values = torch.tensor([[1.0, -3.14], [torch.inf, 1e-40]]).bfloat16()
    save_file({"a": torch.ones(3), "b": values}, tmp_path / "x.safetensors")
    file = ArrayFile(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").unlink()
    assert file["b"].dtype == np.float32
    np.testing.assert_array_equal(file["b"], values.float().numpy())
    np.testing.assert_array_equal(file["a"], np.ones(3, np.float32))
