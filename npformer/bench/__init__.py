"""Speed and memory of the NumPy model, its twin and the floor, measured side by side."""
