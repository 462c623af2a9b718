# The two commands of this project are `make lab` and `make test`. Both make what they need, once, in .venv and .labkit.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Set with `=`, so that a HOST or PORT that the shell happens to export opens nothing: `make lab HOST=0.0.0.0` does.
HOST = 127.0.0.1
PORT = 8888
LABEL_PORT = 8080
NO_BROWSER =

# Test files run side by side, each file in one process.
WORKERS = 2
SIDE_BY_SIDE = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Label Studio for the tests: an environment that you name is used as it is, else the one of `make lab`.
LABKIT_LABEL_STUDIO_ENV ?=
STUDIO := $(or $(LABKIT_LABEL_STUDIO_ENV),$(CURDIR)/.labkit/label-studio-env)

.DEFAULT_GOAL := help
.PHONY: help lab test test-full lint figures docs clean

help:
	@echo "make lab        open JupyterLab and Label Studio (Ctrl-C stops both)"
	@echo "                HOST=0.0.0.0 for a workshop server, PORT=, LABEL_PORT=, NO_BROWSER=1"
	@echo "make test       units, doctests, Label Studio, browser, notebooks; WORKERS= processes"
	@echo "make test-full  the same, and what takes longer"
	@echo "make lint       ruff and mypy"
	@echo "make figures    the pictures of the README"
	@echo "make docs       the site in build/docs/site, every notebook run; ONLY=00_tour, EXTERNAL=1 asks outside links"
	@echo "make clean      remove what can be made again; scenes, labels and results stay"

lab: $(VENV)/installed
	@$(BIN)/labkit lab --host $(HOST) --port $(PORT) --label-port $(LABEL_PORT) $(if $(NO_BROWSER),--no-browser)

test: $(VENV)/installed-for-tests studio
	@LABKIT_LABEL_STUDIO_ENV="$(STUDIO)" $(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow" --junitxml=test-output/junit.xml

test-full: $(VENV)/installed-for-all studio
	@LABKIT_LABEL_STUDIO_ENV="$(STUDIO)" $(BIN)/python -m pytest $(SIDE_BY_SIDE) --junitxml=test-output/junit.xml

lint: $(VENV)/installed-for-tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

figures: $(VENV)/installed
	@$(BIN)/python docs/make_figures.py

docs: $(VENV)/installed-for-all studio
	@LABKIT_LABEL_STUDIO_ENV="$(STUDIO)" $(BIN)/python docs/make_site.py $(if $(ONLY),--only $(ONLY)) $(if $(EXTERNAL),--external)

clean:
	@rm -rf $(VENV) build dist test-output .pytest_cache .mypy_cache .ruff_cache .hypothesis lightning_logs
	@find labkit tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Kept: data/, notebooks/results/ and .labkit/ (labels, secrets, Label Studio)."

.PHONY: studio
studio: $(VENV)/installed-for-tests
ifeq ($(LABKIT_LABEL_STUDIO_ENV),)
	@LABKIT_HOME="$(CURDIR)/.labkit" LABKIT_LABEL_STUDIO_ENV= $(BIN)/labkit label-server --prepare-only
endif

# The first installation fetches gigabytes and shows what it is at; later ones would list what is there already.
QUIET = $(if $(or $(CI),$(wildcard $(VENV)/installed)),--quiet)

# torch and torchvision have to come as a pair: one pip command installs them with all the rest.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing labkit into $(VENV). The first time this takes some minutes ..."
	@$(BIN)/python -m pip install $(QUIET) --disable-pip-version-check -e .
	@touch $@

# MintPy is there for its reader alone, which needs nothing that labkit has not: what MintPy asks for besides (cartopy,
# cvxopt, pyresample, asf_search and more) is left out, which an extra of pyproject.toml cannot say.
$(VENV)/installed-for-tests: pyproject.toml | $(BIN)/python
	@echo "Installing labkit and its tests into $(VENV). The first time this takes some minutes ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "mintpy>=1.6"
	@touch $(VENV)/installed $@

# What takes longer is tried with JupyterHub and with the site's builder, too.
$(VENV)/installed-for-all: pyproject.toml $(VENV)/installed-for-tests
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,docs,workshop]"
	@touch $(VENV)/installed $(VENV)/installed-for-tests $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("labkit needs Python 3.11 or newer, this is " + sys.version.split()[0] + ". Name a newer one: make lab PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
