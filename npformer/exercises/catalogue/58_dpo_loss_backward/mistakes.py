"""Wrong ways to write this exercise: those on the op's card, by name."""

MISTAKES = [
    ("rejected gets no gradient", "dpo_loss/rejected-frozen"),
    ("the factor beta is forgotten", "dpo_loss/beta-forgotten"),
    ("the smoothing is forgotten", "dpo_loss/smoothing-forgotten"),
    ("sigmoid(m) stands for sigmoid(-m): a pair that is right learns most", "dpo_loss/as-if-right"),
    ("what was rejected is preferred", "dpo_loss/sign"),
    ("dloss is taken for 1", "dpo_loss/upstream-ignored"),
]  # fmt: skip
