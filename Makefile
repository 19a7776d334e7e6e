PYTHON ?= python3
# installs in a fraction of pip's time, and the versions of uv.lock; UV= on the command line leaves it aside
UV := $(shell command -v uv)
BIN := .venv/bin
# of `make test`: each is single-threaded, and needs up to 2 GB of memory
PROCESSES ?= 2
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml uv.lock
ifneq ($(UV),)
	$(UV) sync --quiet --frozen --inexact --extra dev --python $(PYTHON)
else
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
endif
	@touch $@

.PHONY: install
install: $(INSTALLED)  ## make the virtual environment .venv and install everything

.PHONY: run
run: $(INSTALLED)  ## LDA by implicit gradients on the generated bars corpus: a table and pictures in half a minute
	$(BIN)/irg-run experiment=lda method=implicit data=bars

.PHONY: check
check: lint test  ## what CI runs: ruff, mypy and all tests

.PHONY: test
test: $(INSTALLED)  ## run all tests
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal

.PHONY: test-everywhere
test-everywhere: $(INSTALLED)  ## the tests under other threads, instruction sets, orders and seeds: a table of failures (hours)
	$(BIN)/python -m tests.everywhere

.PHONY: faults
faults: $(INSTALLED)  ## kill, interrupt and damage real runs, and write what survived into CONTRIBUTING.md (hours)
	$(BIN)/python -m tests.faults --update

.PHONY: lint
lint: $(INSTALLED)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: bench
bench: $(INSTALLED)  ## time training steps against the plain formulations, and the core against torch
	$(BIN)/python -m tests.benchmarks.lda_step
	$(BIN)/python -m tests.benchmarks.vae_step
	$(BIN)/python -m tests.benchmarks.core

.PHONY: reference
reference: $(INSTALLED)  ## repeat the runs behind the tables of outputs/reference (hours; set IRG_DATA to the real data)
	$(BIN)/irg-run experiment=lda method=implicit data=bars
	$(BIN)/irg-run -m +sweep=lda_table
	$(BIN)/irg-run experiment=cross_entropy budget=paper
	$(BIN)/irg-run experiment=accuracy budget=paper
	$(BIN)/irg-run -m +sweep=vae_table latent.dim=2,10 seed=0

# in the order of their cost
PAPER := accuracy cross_entropy lda_table vae_table
budget ?= paper
# budget=smoke is the rehearsal: each row of the tables once, on data that need no download, and what no table has
REHEARSED_lda_table := data=bars seed=0
REHEARSED_vae_table := data=digits seed=0 latent.dim=2
ifeq ($(budget),smoke)
PAPER += rehearsal
PAPER_OUTPUT := outputs/rehearsal
else
PAPER_OUTPUT := outputs
ESTIMATE = $(BIN)/python -m irg_experiments.sweeps.estimate $(PAPER)
endif
PAPER_WORDS = budget=$(budget) output=$(PAPER_OUTPUT) $(if $(launch),+launch=$(launch))
PAPER_RUN = $(BIN)/irg-run -m +sweep=$(1) $(PAPER_WORDS) $(if $(filter smoke,$(budget)),$(REHEARSED_$(1))) \
	|| { it=$$?; [ $$it -lt 128 ] || exit $$it; [ $$code = 1 ] || code=$$it; };

.PHONY: paper
paper: $(INSTALLED)  ## every table and figure of the paper (days on one core); launch=parallel uses all, budget=smoke rehearses
	-$(ESTIMATE)
	@code=0; $(foreach sweep,$(PAPER),$(call PAPER_RUN,$(sweep))) \
	$(BIN)/irg-report $(PAPER_OUTPUT) --html $(PAPER_OUTPUT)/report.html || code=$$?; exit $$code

.PHONY: readme
readme: $(INSTALLED)  ## write the tables of outputs/reference into README.md and the pages there
	$(BIN)/irg-report outputs/reference --update README.md
	$(BIN)/irg-report outputs/reference --update

.PHONY: clean
clean:  ## remove the virtual environment and caches; runs and data stay
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache build dist
