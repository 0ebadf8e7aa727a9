"""The learning rate of each parameter, as a factor of the run's.

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

from collections.abc import Mapping

from npformer.config import RunConfig
from npformer.errors import ConfigError
from npformer.nn.widths import is_hidden
from npformer.optim import optimizers


def rate_factors(config: RunConfig, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """Of the parameters, by path and shape, those whose rate is another than the run's; muP's.

    Raises ``ConfigError`` for an optimizer whose step does not grow with the width as Adam's does,
    and for adapters, which are not made wider with their layer.
    """
    m = config.model.width_factor
    if m == 1:
        return {}
    allowed = [name for name, kind in optimizers().items() if kind.takes_rates]
    if config.optim.name not in allowed:
        raise ConfigError(
            f"optim.name is {config.optim.name}, and model.mup_base_width is for the rates of "
            f"{' and '.join(allowed)}: choose one of these, or leave mup_base_width out"
        )
    if config.adapters.lora:
        raise ConfigError(
            "lora has rates of its own, and model.mup_base_width is for weights: leave one out"
        )
    return {path: 1 / m for path, shape in shapes.items() if is_hidden(path, shape)}
