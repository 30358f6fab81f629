PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
OUT := out/founding
CASES ?= 300
JOBS ?= 2
PROFILE ?= quick
# The released schedulers that the model is compared with.
SGLANG := 0.5.10.post1 0.5.11 0.5.12

.DEFAULT_GOAL := help
.PHONY: help run test sources lint bench bench-gpu fuzz fuzz-power conform conform-mistakes figures clean

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/'

run: $(STAMP)  ## run the founding scenarios and write their report
	$(BIN)/kvledger run scenarios/founding --out $(OUT)

test: $(STAMP) sources  ## run the tests, JOBS files at a time
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

# Without a network the tests that need them are skipped, and say so.
sources: $(STAMP)  ## fetch the released schedulers, where there is a network
	-@PIP_RETRIES=1 $(BIN)/kvledger oracle fetch $(SGLANG)

lint: $(STAMP)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)  ## measure the ratios that the design promises
	$(BIN)/kvledger bench

bench-gpu: $(STAMP)  ## measure on the GPU that is there
	$(BIN)/python -m sim.bench.gpu

fuzz: $(STAMP)  ## fuzz the newest release, but for its known faults (PROFILE=quick|ci|soak, SEED=)
	$(BIN)/kvledger fuzz --profile $(PROFILE) --accept scenarios/found/known-sglang-0.5.11.yaml \
		--regressions scenarios/regressions \
		$(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

fuzz-power: $(STAMP)  ## take out each fix, one at a time, and see how soon the fuzzer finds it
	$(BIN)/python -m sim.fuzz.power

conform: $(STAMP) sources  ## play CASES random cases on the model and on each real release (MINUTES=, SEED=, JOBS=)
	$(BIN)/python -m sim.conform --cases $(CASES) --jobs $(JOBS) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(TARGET),--target $(TARGET))

conform-mistakes: $(STAMP) sources  ## make each deliberate mistake in the model, and see after how many cases it is found
	PYTHONPATH=tests $(BIN)/python -m helpers.mistakes $(if $(RECORD),--record)

figures: $(STAMP)  ## make the pictures of the README, and those that the tests compare with, anew
	$(BIN)/python docs/images/make.py
	$(BIN)/python -m pytest -q tests/reports/test_pictures.py --record

clean:  ## remove everything that can be made again
	rm -rf .venv build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is older than a changed pin, so the environment is made afresh exactly when it has to be.
$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
