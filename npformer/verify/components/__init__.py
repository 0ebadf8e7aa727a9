"""What the package itself has to prove: every op, module and optimizer, by name."""
