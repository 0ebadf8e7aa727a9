"""Every setting of a run, as frozen dataclasses; both engines read them.

Each field says what it is in the docstring under it (the command line's ``--help`` shows these);
each class checks itself when it is made and raises ``ConfigError``.
"""

from npformer.config.model import ModelConfig
from npformer.config.run import (
    AdapterConfig,
    DataConfig,
    PreferenceConfig,
    RunConfig,
    TrainConfig,
    TwinConfig,
)
from npformer.optim.config import OptimConfig

__all__ = [
    "AdapterConfig",
    "DataConfig",
    "ModelConfig",
    "OptimConfig",
    "PreferenceConfig",
    "RunConfig",
    "TrainConfig",
    "TwinConfig",
]
