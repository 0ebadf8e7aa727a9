"""The cards of ``npformer.nn``."""
