"""Error in natural units: multiples of the rounding that cannot be avoided."""
