# make demo: the whole tiny scale, offline, with its report.   make test: all tests.   make lint: all checks of the text.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
REPORT := results/tiny/report.html
CODE := scripts tests benchmarks
export HF_HUB_OFFLINE := 1

.PHONY: demo test lint format docs locks tiny-lm clean

demo: $(VENV)/installed
	$(BIN)/snakemake --cores 2
	$(BIN)/snakemake --report $(REPORT)
	@echo
	@echo "The report is $(CURDIR)/$(REPORT): open it in a browser."

test: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/unit tests/chaos
	$(BIN)/python -m pytest --ignore tests/unit --ignore tests/chaos

lint: $(VENV)/installed
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/python -m scripts.workflow.reference --check

format: $(VENV)/installed
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)
	$(BIN)/snakefmt Snakefile workflow

docs: $(VENV)/installed
	$(BIN)/python -m scripts.workflow.reference

locks: $(VENV)/installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m scripts.workflow.locks
	$(BIN)/python -m scripts.workflow.containers

tiny-lm: $(VENV)/installed
	$(BIN)/python -m scripts.tiny_lm.build --output resources/tiny-lm

clean:
	rm -rf results/tiny

$(VENV)/installed: envs/local.lock.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 is needed, this is %d.%d: call make PYTHON=/path/to/python3.11" % sys.version_info[:2] if sys.version_info[:2] != (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement envs/local.lock.txt
	@touch $@
