"""Wrong ways to write this exercise: those on the op's card, by name."""

MISTAKES = [
    ("the experts learn, and the weights get no gradient", "combine/weights-without-gradient"),
    ("every expert gets the whole of dy; it is its weight times dy", "combine/dh-unweighted"),
    ("dweights is averaged over the width", "combine/mean-over-the-width"),
    ("dweights is the product of dy and y; it is that of dy and one expert's row",
     "combine/output-for-expert"),
    ("only the first expert of a token gets a gradient", "combine/dh-of-one-expert"),
]  # fmt: skip
