"""Training: one loop that knows no engine, and what it reads and leaves on disk.

``run.py`` is the way in: prepare the data, ask ``engines.py`` for the engine that the configuration
names, train or resume. ``engine.py`` says what an engine must do; ``loop.py`` trains any engine;
``checkpoint.py`` and ``run_directory.py`` hold what a run leaves behind.
"""
