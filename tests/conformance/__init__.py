"""One operation in several packages: ``python -m tests.conformance`` makes docs/conformance.md.

Each package answers in an environment of its own, with the versions that ``engines.py`` pins, and
what it answered is kept in ``recorded``; the page is made of that. ``questions.py`` and
``answers.py`` need the standard library alone, for they run beside every package.
"""
