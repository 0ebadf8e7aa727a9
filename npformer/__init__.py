"""The Transformer in NumPy, with every backward pass derived by hand.

``npformer.ops`` holds the mathematics, ``npformer.nn`` the modules, ``npformer.models`` the
encoder-decoder. Importing this package needs NumPy alone.
"""

__version__ = "0.1.0"
