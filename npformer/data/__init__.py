"""The corpus that ships with the package: a grammar, so nothing has to be downloaded."""
