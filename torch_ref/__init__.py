"""The PyTorch twin of npformer: the same modules, names and files; gradients from autograd.

It is the oracle for the hand-derived backwards, so it composes PyTorch's own library ops and
shares no mathematics with ``npformer``; and it is the engine that trains at full scale.
"""
