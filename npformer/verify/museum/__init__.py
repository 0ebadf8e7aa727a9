"""The museum of wrong gradients: those of the cards that were seen in public, with their sources.

    npformer verify --museum
    python -m tests.museum     # writes docs/museum.md

small      small cases, and the smallest shapes at which a specimen is caught
ordinary   whether the ordinary test that a specimen's card names does miss it
adapters   a NumPy pair as a function of PyTorch's or JAX's autograd
rivals     how others test a gradient, and what they catch
table      every specimen before every tester
"""
