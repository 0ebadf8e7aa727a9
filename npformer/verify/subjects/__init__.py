"""What a caller hands in: NumPy pairs, tensor functions, autograd functions, modules, VJPs."""
