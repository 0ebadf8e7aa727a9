"""The cards of ``npformer.optim``."""
