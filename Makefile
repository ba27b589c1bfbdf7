# The front door. `make` alone lists what there is; every target sets the environment up first.
# Wanted: Python 3.11, 3.12 or 3.13 with its venv module. Another one: make PYTHON=/path/to/python demo

SHELL = /bin/sh
VENV = .venv
RUN = $(VENV)/bin/python
READY = $(VENV)/.ready
PACKAGES = agents layers estimators envs launch
CANDIDATES = python3.11 python3.12 python3.13 python3 python
CATCH = tests/learning/test_catch.py::test_dreamerv2_learns_catch_where_chance_scores_minus_0_6[0]
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

.DEFAULT_GOAL = help
.PHONY: help install demo pong test learning check differences estimators notebooks constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install: $(READY) ## Create .venv with everything in it

demo: $(READY) ## Watch an agent learn a small game within 10 minutes
	@$(RUN) -m launch.demo

pong: $(READY) ## Train DreamerV2 on Atari Pong for 20 minutes
	@$(RUN) -m launch.pong

test: $(READY) ## Run the tests that every commit must pass, a process per core
	@$(RUN) -m pytest -n auto --dist loadfile -m 'not slow and not learning and not soak'

learning: $(READY) ## See that DreamerV2 learns Catch, in two minutes
	@$(RUN) -m pytest -m learning '$(CATCH)'

check: $(READY) ## Check style and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy $(PACKAGES)

differences: $(READY) ## Write docs/differences.md from the comments of the code
	@$(RUN) docs/differences.py

estimators: $(READY) ## Measure all gradient estimators, in five minutes, for estimators/README.md
	@$(RUN) -m launch.estimators --draws=1000000 --output=scores/estimators/toys
	@$(RUN) docs/estimator_table.py

notebooks: $(READY) ## Run the notebooks' scripts and write docs/notebooks/*.ipynb, in a few minutes
	@$(RUN) docs/build_notebooks.py

constraints: $(READY) ## Write constraints.txt from what is installed in .venv
	@$(RUN) -m pip freeze --all --exclude-editable --exclude pip | grep '^[A-Za-z0-9._-]*==' | LC_ALL=C sort -f > constraints.new
	@mv constraints.new constraints.txt
	@touch $(READY)
	@echo "constraints.txt holds $$(grep -c . constraints.txt) versions."

clean: ## Remove the environment and what builds and tests left; runs/ stays
	@rm -rf $(VENV) build dist ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment whose Python works is kept and brought up to date; else the first candidate that works makes one.
# A candidate may be a pyenv shim with nothing behind it, so each is run, and every folder of PATH is searched.
$(READY): setup.cfg pyproject.toml constraints.txt
	@if $(RUN) -c '$(FITS)' >/dev/null 2>&1; then exit 0; fi; \
	bare=; \
	try() { \
	  "$$1" -c '$(FITS)' >/dev/null 2>&1 || return 0; \
	  if "$$1" -c 'import venv, ensurepip' >/dev/null 2>&1; then \
	    echo "==> Creating $(VENV) with $$("$$1" --version)"; \
	    rm -rf $(VENV); \
	    exec "$$1" -m venv $(VENV); \
	  fi; \
	  bare="$$bare $$1"; \
	}; \
	if [ -n "$(PYTHON)" ]; then try "$(PYTHON)"; fi; \
	for name in $(CANDIDATES); do \
	  IFS=:; \
	  for folder in $$PATH; do if [ -x "$$folder/$$name" ]; then try "$$folder/$$name"; fi; done; \
	  unset IFS; \
	done; \
	if [ -n "$$bare" ]; then \
	  echo "Python was found ($${bare# }) without its venv module: install it (Debian, Ubuntu: sudo apt install python3-venv) and run make again."; \
	else \
	  echo "No working Python 3.11, 3.12 or 3.13 was found: install one (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python@3.12) or name one with make PYTHON=/path/to/python."; \
	fi >&2; exit 1
	@echo "==> Installing TensorFlow, Keras and the environments into $(VENV): about a minute, 3.5 GB on disk"
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(RUN) -m ensurepip --default-pip >/dev/null
	@$(RUN) -m uv --version >/dev/null 2>&1 || $(RUN) -m pip install --quiet -c constraints.txt uv 2>/dev/null \
	  || echo "==> uv cannot be installed here: pip does the work, more slowly"
	@if $(RUN) -m uv --version >/dev/null 2>&1; then \
	  install="$(RUN) -m uv pip install --quiet --python $(RUN) --compile-bytecode"; \
	else \
	  install="$(RUN) -m pip install --quiet"; \
	fi; \
	$$install -c constraints.txt -e '.[all]' && $$install -c constraints.txt --no-deps tf-agents
	@touch $@
	@echo "==> Ready"
