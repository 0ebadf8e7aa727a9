"""Weights across the two engines: one dictionary of arrays, one safetensors file, nothing lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from npformer.errors import CheckpointError, ShapeError


def from_torch(model: nn.Module) -> dict[str, np.ndarray]:
    """Every parameter of the twin by its path, as arrays of its own."""
    return {name: to_array(parameter) for name, parameter in model.named_parameters()}


def to_torch(state: Mapping[str, np.ndarray], model: nn.Module) -> None:
    """Copy ``state`` into the twin's parameters.

    Raises ShapeError, and copies nothing, unless every name, shape and dtype agrees.
    """
    own = dict(model.named_parameters())
    check_arrays(own, state, "the weights")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(to_tensor(state[name]))


def save_weights(path: Path | str, model: nn.Module) -> None:
    """Write the twin's parameters to a safetensors file that the NumPy model reads."""
    safetensors.numpy.save_file(from_torch(model), path)


def load_weights(path: Path | str, model: nn.Module) -> None:
    """Read a safetensors file, of either engine, into the twin.

    Raises CheckpointError for a file that is missing or damaged, ShapeError for weights of another
    configuration.
    """
    try:
        state = safetensors.numpy.load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is no readable safetensors file: {error}") from error
    to_torch(state, model)


def check_arrays(own: Mapping[str, Tensor], given: Mapping[str, np.ndarray], what: str) -> None:
    """Raise ShapeError at the first name, shape or dtype in which the two differ."""
    for name in own:
        if name not in given:
            raise ShapeError(f"{what} lack {name!r}, which the model has")
    for name, array in given.items():
        if name not in own:
            raise ShapeError(f"{what} hold {name!r}, which the model has not")
        mine = (tuple(own[name].shape), str(own[name].dtype).removeprefix("torch."))
        theirs = (array.shape, array.dtype.name)
        if mine != theirs:
            raise ShapeError(
                f"{name!r} is {theirs[1]} {theirs[0]} in {what}, {mine[1]} {mine[0]} in the model"
            )


def to_array(tensor: Tensor) -> np.ndarray:
    """A copy of a tensor, from any device."""
    return tensor.detach().cpu().numpy().copy()


def to_tensor(array: np.ndarray) -> Tensor:
    """A copy of an array of any strides and byte order."""
    return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
