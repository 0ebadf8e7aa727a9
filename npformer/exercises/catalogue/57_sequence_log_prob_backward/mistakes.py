"""Wrong ways to write this exercise: those on the op's card, by name."""

MISTAKES = [
    ("the gradient lacks the target's 1: it is onehot - p", "sequence_log_prob/p-alone"),
    ("the gradient is that of a loss, p - onehot", "sequence_log_prob/sign"),
    ("the mean is not divided by the answer's tokens", "sequence_log_prob/share-forgotten"),
    ("prompt and padding get a gradient", "sequence_log_prob/everything-trained"),
    ("every answer gets the first one's dy", "sequence_log_prob/first-upstream-for-all"),
    ("dy is taken for 1", "sequence_log_prob/upstream-ignored"),
]  # fmt: skip
