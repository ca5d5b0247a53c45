# make demo   sets everything up, makes a character, shoots it, and prints where the report is
# make test   sets everything up and checks everything: lint, format, types, contracts, tests
# make venv   only sets everything up

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test venv clean

demo: $(STAMP)
	$(BIN)/facekit demo

test: $(STAMP)
	PATH="$(CURDIR)/$(BIN):$$PATH" ./tests/check

venv: $(STAMP)

# torch alone and first, at its pinned version, so that no other package chooses one
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed; name one: make PYTHON=python3.12'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
