# Everything a newcomer needs: `make demo`, `make studio`, `make test`.
PYTHON ?= python3.11
BIN := .venv/bin
SAMPLE := productions/the-unwritten-page
# The environments below are installed without their bytecode, most of which nobody needs; Python keeps what it has
# compiled once, also where somebody's environment says not to: every command would compile it all anew, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo studio test review-campaign lint bench faults docs clean

# Both at once: one waits for the network while the other unpacks.
setup:
	@$(MAKE) --no-print-directory -j2 .venv/.ready .venv-blender/.ready
	@$(MAKE) --no-print-directory review_app/static/.made-from

.venv/.ready: requirements.lock pyproject.toml
	@echo "== making .venv (the film's own Python)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# The package's own build has made it; this makes it again when its sources have changed since.
review_app/static/.made-from: .venv/.ready $(shell find review_app/web -name node_modules -prune -o -type f -print)
	@$(BIN)/python review_app/web/bundle.py >/dev/null
	@touch $@

.venv-blender/.ready: requirements-blender.lock
	@echo "== making .venv-blender (Blender as a Python module, about 400 MB to download)"
	@test -x .venv-blender/bin/python || $(PYTHON) -m venv .venv-blender
	.venv-blender/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements-blender.lock
	@sh deploy/system-libraries.sh
	@touch $@

demo: setup
	$(BIN)/film demo

studio: setup
	$(BIN)/film studio --production $(SAMPLE)

test: setup lint
	@sh deploy/browser.sh
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Frame accuracy of playback: 500 random seeks at every rate, in real Chromium. Then the load: 10,000 shots and
# 1,000,000 frames, held to their bars; it takes ten minutes and a machine that does nothing else.
review-campaign: setup
	@sh deploy/browser.sh
	SEEKS_A_RATE=500 $(BIN)/python -m pytest tests/review/test_frame_accuracy.py
	PYTHONPATH=. $(BIN)/python -m benchmarks.bench_review --bars

# The orchestrator, the ledger and the stores under kill, 1,000 seeds each. FILM_FAULT_SEED plays others.
faults: setup
	FILM_FAULT_RUNS=$${FILM_FAULT_RUNS:-1000} $(BIN)/python -m pytest tests/faults -s

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks

docs: .venv/.ready
	$(BIN)/python -m film_pipeline.docs_of_files

clean:
	rm -rf $(SAMPLE)/.film
