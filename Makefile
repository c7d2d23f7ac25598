# Each target works on a fresh checkout with Python 3.10 or newer, make and a package registry.

PYTHON ?= python3
find_python = $(firstword $(shell python$(1) -c 0 2>/dev/null && echo python$(1)) \
	$(wildcard $(HOME)/.pyenv/versions/$(1).*/bin/python))
# Airflow 2.11 and 3.0 run on Python 3.10 to 3.12.
PYTHON2 ?= $(firstword $(foreach version,3.11 3.12 3.10,$(call find_python,$(version))) $(PYTHON))

AIRFLOW3 := .build/airflow3
AIRFLOW2 := .build/airflow2
DOCS := .build/docs
# Its netCDF files are the source of the sample catalog; what it depends on is not needed.
SAMPLE_SOURCE := xarray-spatial==0.5.3

# Models and properties are the same everywhere, and explored by `make test` alone.
ONCE := not e2e and not browser and not explores
# Whole DAGs are run on the newest Airflow 3 and on Airflow 2.
SMALL := $(ONCE) and not whole_dag

# For the plot of `make bench`: what Airflow does not bring of it.
PLOT := matplotlib==3.10.9 contourpy==1.3.2 cycler==0.12.1 fonttools==4.65.0 kiwisolver==1.5.1 pillow==12.3.0

# Airflow makes this folder when it is imported; the user's own is left alone.
export AIRFLOW_HOME := $(CURDIR)/.build/airflow-home

.PHONY: help demo test test-airflow2 test-airflows test-airflow3.0 test-airflow3.1 test-airflow3.2 test-pythons lint bench docs dist chaos chaos-airflow2 e2e e2e-airflow2 browser clean

help: ## what there is to do
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([^:]+):.*## /  make \1\t/' | expand -t 24

demo: ## run Airflow and the emulator, export NDVI of real pixels, show the result
	@$(PYTHON) tools/install.py $(AIRFLOW3) requirements/airflow3.txt emulator
	@$(AIRFLOW3)/bin/python tools/demo.py

test: ## all tests, on Airflow 3
	@$(PYTHON) tools/install.py $(AIRFLOW3) requirements/airflow3.txt test $(SAMPLE_SOURCE)
	@$(AIRFLOW3)/bin/python -m pytest -n auto --dist worksteal $(PYTEST)

test-airflow2: ## all tests, on Airflow 2.11 and the lowest versions that are supported
	@$(PYTHON2) tools/install.py $(AIRFLOW2) requirements/airflow2.txt test $(SAMPLE_SOURCE)
	@$(AIRFLOW2)/bin/python -m pytest -n auto --dist worksteal -m "$(ONCE)" $(PYTEST)

test-airflows: test-airflow3.0 test-airflow3.1 test-airflow3.2 ## all tests but whole DAGs, on each other Airflow 3

# Each on a Python that the other tests do not run on, where it is found.
test-airflow3.0: PYTHON3 ?= $(or $(call find_python,3.10),$(PYTHON2))
test-airflow3.1: PYTHON3 ?= $(or $(call find_python,3.12),$(PYTHON))
test-airflow3.2: PYTHON3 ?= $(or $(call find_python,3.13),$(PYTHON))
test-airflow3.0 test-airflow3.1 test-airflow3.2: test-airflow%:
	@$(PYTHON3) tools/install.py .build/airflow$* requirements/airflow$*.txt test $(SAMPLE_SOURCE)
	@.build/airflow$*/bin/python -m pytest -q -n auto --dist worksteal -m "$(SMALL)" $(PYTEST)

test-pythons: ## all tests on Airflow 3, on each other Python that is found
	$(call test_on,3.10,$(call find_python,3.10))
	$(call test_on,3.12,$(call find_python,3.12))
	$(call test_on,3.13,$(call find_python,3.13))

define test_on
	@if [ -n "$(2)" ]; then $(MAKE) test PYTHON=$(2) AIRFLOW3=.build/airflow3-python$(1) PYTEST='-q -m "$(SMALL)"'; \
	else echo "Python $(1) is not found; its tests are skipped."; fi
endef

lint: ## style, types, and the arrows of the house
	@$(PYTHON) tools/install.py $(AIRFLOW3) requirements/airflow3.txt lint $(SAMPLE_SOURCE)
	@$(AIRFLOW3)/bin/ruff check .
	@$(AIRFLOW3)/bin/ruff format --check .
	@$(AIRFLOW3)/bin/mypy
	@$(AIRFLOW3)/bin/lint-imports --cache-dir .build/import-linter
	@$(AIRFLOW3)/bin/python tools/house.py

docs: $(DOCS)/installed ## build the site of the documentation, with its reference
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict
	@echo "The documentation is in .build/site/index.html; to search it: python3 -m http.server -b 127.0.0.1 -d .build/site"

$(DOCS)/installed: requirements/docs.txt
	@echo "Installing $$(wc -l < $<) packages into $(DOCS) …"
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

dist: ## build what is released, and try it in fresh environments
	@$(PYTHON) tools/dist.py .build/dist requirements/airflow3.txt

bench: ## what things cost, as ratios within one run; BENCH="parse_time submission" for some
	@$(PYTHON) tools/install.py $(AIRFLOW3) requirements/airflow3.txt test $(SAMPLE_SOURCE)
	@$(PYTHON) tools/install.py $(AIRFLOW3) requirements/airflow3.txt emulator,test $(PLOT)
	@$(AIRFLOW3)/bin/python benchmarks/run.py $(BENCH)

chaos: ## kill the export at every step, and count
	@$(PYTHON) tools/install.py $(AIRFLOW3) requirements/airflow3.txt test $(SAMPLE_SOURCE)
	@$(AIRFLOW3)/bin/python -m benchmarks.chaos $(CHAOS)

chaos-airflow2: ## the same on Airflow 2.11
	@$(PYTHON2) tools/install.py $(AIRFLOW2) requirements/airflow2.txt test $(SAMPLE_SOURCE)
	@$(AIRFLOW2)/bin/python -m benchmarks.chaos $(CHAOS)

e2e: ## kill, clear and time out real processes of Airflow, on SQLite, PostgreSQL and Celery where they are found
	@$(PYTHON) tools/install.py .build/e2e requirements/airflow3.txt test $$(cat requirements/e2e.txt)
	@.build/e2e/bin/python -m pytest -m e2e --capture=no tests/e2e $(E2E)

e2e-airflow2: ## the same on Airflow 2.11, on PostgreSQL, or else on SQLite
	@$(PYTHON2) tools/install.py $(AIRFLOW2) requirements/airflow2.txt test $(SAMPLE_SOURCE) $$(grep psycopg2 requirements/e2e.txt)
	@$(AIRFLOW2)/bin/python -m pytest -m e2e --capture=no tests/e2e_airflow2 $(E2E)

browser: ## use Airflow's pages in Chromium as a user does; SCREENSHOTS=docs/images renews the pictures of the docs
	@$(PYTHON) tools/install.py $(AIRFLOW3) requirements/airflow3.txt ee,test $$(cat requirements/browser.txt)
	@BROWSER_SCREENSHOTS=$(abspath $(or $(SCREENSHOTS),.build/browser)) $(AIRFLOW3)/bin/python -m pytest -m browser -x --capture=no tests/browser $(BROWSER)

clean: ## remove what was built
	rm -rf .build
