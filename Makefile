# npformer: make demo, make test. Each target makes the environment that it needs, once.
#
# PYTHON picks the interpreter (3.11 or later):  make demo PYTHON=python3.12
# VENV   says where the environment goes:        make test VENV=/tmp/npformer
# TORCH  is what pip is told of PyTorch:         make demo TORCH=torch-2.13.0+cpu-cp311-linux.whl

PYTHON ?= python3
VENV   ?= .venv
TORCH  ?=
RUN    ?= runs/demo

BIN      := $(VENV)/bin
NPFORMER := $(BIN)/npformer
PIP      := $(BIN)/python -m pip install --disable-pip-version-check
INPUTS   := setup.cfg pyproject.toml constraints.txt

# The engine has worker threads of its own and the tests run side by side: one BLAS thread each.
SINGLE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help install install-docs install-dev demo site notebooks test test-deep test-lowest \
        lint types bench clean

help:
	@echo "make demo         verify, train, translate, score and draw on the built-in corpus, in minutes"
	@echo "make site         execute the walkthroughs into a site, build/site; minutes"
	@echo "make notebooks    the walkthroughs as Jupyter notebooks, beside their sources"
	@echo "make test         the test suite; for the explorer's tests it wants Chromium installed"
	@echo "make test-deep    the same properties over many more cases; takes hours"
	@echo "make test-lowest  what needs no PyTorch, with the lowest versions that setup.cfg allows"
	@echo "make lint         ruff: style and likely bugs"
	@echo "make types        mypy, strict on what a user writes"
	@echo "make bench        NumPy, its PyTorch twin and the floor, timed side by side"
	@echo "make clean        remove the environment and the tools' caches (not runs/)"

# A stamp for what users run, one for readers and one for developers; each has what the one before
# has, so that a fresh environment is one installation.
install: $(VENV)/installed
install-docs: $(VENV)/installed-docs
install-dev: $(VENV)/installed-dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "npformer needs Python 3.11 or later, and '$(PYTHON)' is not; try: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "could not make $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/installed: EXTRAS = verify
$(VENV)/installed-docs: EXTRAS = docs
$(VENV)/installed-docs: ALSO = $(VENV)/installed
$(VENV)/installed-dev: EXTRAS = test,lint
$(VENV)/installed-dev: ALSO = $(VENV)/installed $(VENV)/installed-docs

$(VENV)/installed $(VENV)/installed-docs $(VENV)/installed-dev: $(VENV)/bin/python $(INPUTS)
	@$(BIN)/python -c 'import torch' 2>/dev/null || { \
	  echo "This installs npformer and what it needs into $(VENV). PyTorch is the large part: for"; \
	  echo "Linux, PyPI has it with CUDA, a download of about 2.6 GB. README, Install, says how to"; \
	  echo "bring the build for CPUs, of about 0.2 GB."; }
	$(if $(TORCH),$(PIP) $(TORCH))
	$(PIP) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $(ALSO) $@

# Sentences of the grammar's test split, which training never sees.
UNSEEN := If it rains, my aunt sells the coat. The shoe that the waiter bought was blue. \
          The judge was born on the nineteenth of October 1953. \
          The student has not put his newspaper under the sofa yet.
SHOWN  := The student who drives home washes the jacket.

demo: $(VENV)/installed
	@echo "== 1/6  Check hand-written gradients against PyTorch and against themselves."
	$(NPFORMER) verify --cases 20
	@echo; echo "== 2/6  Train the NumPy model on the built-in grammar, from scratch, into $(RUN)."
	@rm -rf $(filter runs/demo, $(RUN))  # the last demo; train refuses a run of yours elsewhere
	$(NPFORMER) train $(RUN) --preset tiny
	@echo; echo "== 3/6  Translate sentences that it has never seen."
	$(NPFORMER) translate $(RUN) "$(UNSEEN)"
	@echo; echo "== 4/6  Score it on the test split, which shares no sentence with training."
	$(NPFORMER) evaluate $(RUN) --split test --json $(RUN)/scores.json
	@echo; echo "== 5/6  Draw what each attention head looks at."
	$(NPFORMER) attention $(RUN) "$(SHOWN)" --out $(RUN)/attention
	@echo; echo "== 6/6  Write a page in which to look inside it, forwards and backwards."
	$(NPFORMER) explore --checkpoint $(RUN) --text "$(SHOWN)" --out $(RUN)/explorer.html
	@echo; echo "Done. In $(RUN):"
	@echo "  loss.png       the loss curve            metrics.jsonl  every update's figures"
	@echo "  attention/     a picture per attention   scores.json    the scores above"
	@echo "  explorer.html  open it in a browser      checkpoints/   the model, for:"
	@echo "  $(NPFORMER) translate $(RUN) \"Your text.\""

# Two chapters at a time; a warning fails the build. What a page needs is in build/site.
site: $(VENV)/installed-docs
	@$(BIN)/python walkthroughs/conf.py
	@echo "Executing the chapters: some minutes, and later only what has changed."
	@$(SINGLE) $(BIN)/python -m sphinx -j 2 -W -q -d build/doctrees walkthroughs build/site
	@echo "Open build/site/index.html"

# Beside their sources, where the relative links hold; a link to a chapter leads to its notebook.
CHAPTERS := $(wildcard walkthroughs/[0-9]*.md) walkthroughs/playground.md

notebooks: $(VENV)/installed-docs
	@$(BIN)/jupytext --quiet --to ipynb --pipe-fmt md:myst \
	  --pipe "sed -E 's/\]\(([0-9]{2}_[a-z_]+|playground)\.md\)/](\1.ipynb)/g'" $(CHAPTERS)
	@echo "Open walkthroughs/00_how_to_read.ipynb in Jupyter (pip install jupyterlab)"

# A file's tests stay together, so that what they share is made once. In the order of their names:
# by the number of their tests, the last ones would be files of a few tests that take long.
# NPFORMER_QUICK=1, as in CI, runs a share of what is marked exhaustive (tests/exhaustive.py).
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=25

test: $(VENV)/installed-dev
	$(SINGLE) $(PYTEST)

test-deep: $(VENV)/installed-dev
	$(SINGLE) HYPOTHESIS_PROFILE=deep $(PYTEST)

# In an environment without PyTorch and without npformer itself: pytest finds it here.
LOWEST := build/lowest

$(LOWEST)/installed: setup.cfg tests/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(PYTHON) -m tests.lowest test-numpy > $(LOWEST)/requirements.txt
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check -r $(LOWEST)/requirements.txt
	@touch $@

test-lowest: $(LOWEST)/installed
	$(SINGLE) $(LOWEST)/bin/python -m pytest -n 2 --dist loadfile \
	  tests/ops tests/nn tests/text tests/cli tests/test_differences.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/python -m mypy

bench: $(VENV)/installed
	$(NPFORMER) bench

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build walkthroughs/_generated *.egg-info
