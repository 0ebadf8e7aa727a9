"""A model with every parameter off its initial value, and its twin."""

import numpy as np
import torch

from npformer.models import make_model
from torch_ref.bridge import to_torch
from torch_ref.models import make_twin


def moved(config):
    model = make_model(config, rng=np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    twin = make_twin(config, dtype=torch.float64).eval()
    to_torch(model.state_dict(), twin)
    return model, twin
