"""The command line: one file a command; ``main.py`` finds it and turns errors into one line."""
