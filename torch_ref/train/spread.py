"""Which of the ways to lay a model on the ranks a run takes."""

from __future__ import annotations

from npformer.config import TwinConfig
from npformer.train.ranks import Ranks
from torch_ref.train.objective import MakeObjective, Objective
from torch_ref.train.parallel import Replicated, Spread


def spread(objective: Objective, config: TwinConfig, ranks: Ranks, make: MakeObjective) -> Spread:
    """Lay ``objective`` on the ranks, as ``config`` says. Collective.

    Its parameters are to be read after this: FSDP puts others in their place. ``make`` makes
    another objective of the same structure, with any weights.
    """
    if ranks.size == 1:
        return Spread(objective)
    if config.parallel == "fsdp":
        # Imported here, as it takes most of a second, which a run on one device need not wait.
        from torch_ref.train.sharded import Sharded

        return Sharded(objective, ranks, make)
    return Replicated(objective)
