"""The cards of ``npformer.models``."""
