"""The cards of ``npformer.ops``."""
