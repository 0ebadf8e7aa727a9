# npformer: make demo, make test. Each target makes the environment that it needs, once.
#
# PYTHON picks the interpreter (3.11 or later):  make demo PYTHON=python3.12
# VENV   says where the environment goes:        make test VENV=/tmp/npformer

PYTHON ?= python3
VENV   ?= .venv
RUN    ?= runs/demo

BIN      := $(VENV)/bin
NPFORMER := $(BIN)/npformer
INPUTS   := setup.cfg pyproject.toml constraints.txt

# The engine has worker threads of its own and the tests run side by side: one BLAS thread each.
SINGLE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test test-deep lint types bench clean

help:
	@echo "make demo       verify, train, translate, score and draw on the built-in corpus, in minutes"
	@echo "make test       the test suite"
	@echo "make test-deep  the same properties over many more cases; takes hours"
	@echo "make lint       ruff: style and likely bugs"
	@echo "make types      mypy"
	@echo "make bench      NumPy, its PyTorch twin and the floor, timed side by side"
	@echo "make clean      remove the environment and the tools' caches (not runs/)"

# One stamp for what users run, one for what developers run on top of it.
install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "npformer needs Python 3.11 or later, and '$(PYTHON)' is not; try: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "could not make $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/installed: $(VENV)/bin/python $(INPUTS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[verify]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]'
	@touch $@

# Sentences of the grammar's test split, which training never sees.
UNSEEN := If it rains, my aunt sells the coat. The shoe that the waiter bought was blue. \
          The judge was born on the nineteenth of October 1953. \
          The student has not put his newspaper under the sofa yet.
SHOWN  := The student who drives home washes the jacket.

demo: $(VENV)/installed
	@echo "== 1/5  Check hand-written gradients against PyTorch and against themselves."
	$(NPFORMER) verify --cases 20
	@echo; echo "== 2/5  Train the NumPy model on the built-in grammar, from scratch, into $(RUN)."
	@rm -rf $(RUN)
	$(NPFORMER) train $(RUN) --preset tiny
	@echo; echo "== 3/5  Translate sentences that it has never seen."
	$(NPFORMER) translate $(RUN) "$(UNSEEN)"
	@echo; echo "== 4/5  Score it on the test split, which shares no sentence with training."
	$(NPFORMER) evaluate $(RUN) --split test --json $(RUN)/scores.json
	@echo; echo "== 5/5  Draw what each attention head looks at."
	$(NPFORMER) attention $(RUN) "$(SHOWN)" --out $(RUN)/attention
	@echo; echo "Done. In $(RUN):"
	@echo "  loss.png       the loss curve            metrics.jsonl  every update's figures"
	@echo "  attention/     a picture per attention   scores.json    the scores above"
	@echo "  averaged/      the model, for: $(NPFORMER) translate $(RUN) \"Your text.\""

test: $(VENV)/installed-dev
	$(SINGLE) $(BIN)/python -m pytest -n 2

test-deep: $(VENV)/installed-dev
	$(SINGLE) HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n 2

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/python -m mypy

bench: $(VENV)/installed
	$(NPFORMER) bench

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
