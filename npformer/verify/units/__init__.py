"""Error in rounding units: multiples of the rounding that cannot be avoided."""
