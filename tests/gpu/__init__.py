"""What is to be measured where there is a GPU; ``python -m tests.gpu`` does all of it."""
