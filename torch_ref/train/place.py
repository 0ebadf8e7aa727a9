"""A process's place among the ranks of its run, from torchrun's environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from npformer.errors import ConfigError

RESTARTS = "TORCHELASTIC_RESTART_COUNT"


@dataclass(frozen=True)
class Place:
    """A process's place among those of its run, as torchrun's environment variables give it."""

    rank: int = 0
    """This process's number (RANK)."""
    size: int = 1
    """How many there are (WORLD_SIZE)."""
    local_rank: int = 0
    """This process's number on its machine (LOCAL_RANK), and so its GPU's."""
    local_size: int = 1
    """How many there are on its machine (LOCAL_WORLD_SIZE)."""
    host: str = ""
    """Where the store is (MASTER_ADDR)."""
    port: int = 0
    """Its port (MASTER_PORT)."""
    restarts: int = 0
    """How often torchrun has started them all anew (TORCHELASTIC_RESTART_COUNT)."""
    hosted: bool = False
    """Whether torchrun keeps the store (TORCHELASTIC_USE_AGENT_STORE), rather than rank 0."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Place:
        """The place that the environment gives; without one, that of a process by itself.

        Raises ``ConfigError`` for variables that are missing, no numbers, or contradict each other.
        """
        if "RANK" not in environment and "WORLD_SIZE" not in environment:
            return cls()
        size = _number(environment, "WORLD_SIZE", 1)
        local_size = _number(environment, "LOCAL_WORLD_SIZE", 1, size)
        return cls(
            rank=_number(environment, "RANK", 0, size - 1),
            size=size,
            local_rank=_number(environment, "LOCAL_RANK", 0, local_size - 1),
            local_size=local_size,
            host=_text(environment, "MASTER_ADDR"),
            port=_number(environment, "MASTER_PORT", 1, 65535),
            restarts=_number({RESTARTS: "0", **environment}, RESTARTS, 0),
            hosted=environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        )


def _text(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise ConfigError(
            f"the environment variable {name} is not set though RANK or WORLD_SIZE is: start the "
            "ranks with torchrun, which sets them all, or unset those two for a single process"
        )
    return environment[name]


def _number(environment: Mapping[str, str], name: str, least: int, most: int | None = None) -> int:
    text = _text(environment, name)
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number < least or (most is not None and number > most):
        allowed = f"from {least} to {most}" if most is not None else f"of {least} or more"
        raise ConfigError(
            f"the environment variable {name} is {text!r}; it must be an integer {allowed}: "
            "start the ranks with torchrun, which sets it"
        )
    return number
