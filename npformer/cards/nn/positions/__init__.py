"""The cards of what says where a token is."""
