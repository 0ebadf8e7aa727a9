"""What is right: PyTorch's autograd, wider arithmetic, and the derivative of the forward."""
