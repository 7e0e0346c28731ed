# make demo | test | lint | train | bench | clean; PYTHON=python3.12 chooses the interpreter.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# torch from the package index is the CUDA build; for the CPU build, set in the environment
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
PIP := $(RUN) -m pip --disable-pip-version-check -qq
VQA := $(RUN) -m latent_vqa_ros.cli.main
RECIPE ?= config/train/easy_vqa.yaml
# Processes that run the tests, each a file at a time and with one thread; 0: no workers. One more
# than two cores, since many tests wait for a node or a browser.
WORKERS ?= 3
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
MACHINE := $(shell uname -m)
ifeq ($(MACHINE),x86_64)
# What a shell that has sourced another ROS must not bring in: its Python modules, libraries and
# middleware would be mixed with those of $(VENV).
CLEAN_ENV := env -u PYTHONPATH -u AMENT_PREFIX_PATH -u LD_LIBRARY_PATH -u RMW_IMPLEMENTATION
else
# The package index has ROS wheels for x86-64 only: here the ROS that the shell has sourced is used.
SOURCED_ROS := ros
endif

# The simulation draws through it where there is no GPU.
INSTALL_OSMESA := { test "$$(id -u)" = 0 && apt-get -qq update && \
  apt-get -qq install -y libosmesa6 >/dev/null; }
# The page is tested in a real browser.
INSTALL_BROWSER := { test "$$(id -u)" = 0 && apt-get -qq update && \
  apt-get -qq install -y chromium chromium-driver >/dev/null; }

.PHONY: help demo test lint train bench clean ros
.DELETE_ON_ERROR:

help:
	@echo 'make demo    the real node answers about a shipped bag (first run installs into $(VENV))'
	@echo 'make test    install what the tests need and run all of them (WORKERS=$(WORKERS))'
	@echo 'make lint    ruff and mypy'
	@echo 'make train   train a model by its recipe (RECIPE=$(RECIPE))'
	@echo 'make bench   time and memory of an answer: int8, float, torch'
	@echo 'make clean   remove $(VENV), runs/ (trainings!) and caches'

demo: $(SOURCED_ROS) $(VENV)/demo.stamp
	@$(CLEAN_ENV) $(VQA) demo

test: $(SOURCED_ROS) $(VENV)/test.stamp
	@$(CLEAN_ENV) $(PYTEST) $(PYTEST_ARGS)

lint: $(VENV)/test.stamp
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

train: $(VENV)/test.stamp
	@$(CLEAN_ENV) $(VQA) train $(RECIPE)

bench: $(VENV)/test.stamp
	@$(CLEAN_ENV) $(VQA) bench

clean:
	rm -rf $(VENV) runs build install log .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf *.egg-info

ros:
	@test -x $(RUN) && python=$(RUN) || python=$(PYTHON); \
	  why=$$($$python -c 'import rclpy.node' 2>&1) || { \
	  echo "no ROS 2 wheels for $(MACHINE): install ROS 2 Jazzy or later (ros-jazzy-ros-base)," \
	    "source /opt/ros/jazzy/setup.bash and take the Python it is built for (PYTHON=python3.12);" \
	    "now $$($$python --version) says: $$(echo "$$why" | tail -n 1)" >&2; exit 1; }

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || { \
	  echo 'Python 3.10 to 3.13 is needed: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'Python cannot make a virtual environment: sudo apt install python3-venv' >&2; exit 1; }
	@echo 'making $(VENV) with '"$$($(PYTHON) --version)" >&2
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/demo.stamp: requirements/demo.txt setup.py setup.cfg | $(VENV)/bin/python
	@echo 'installing requirements/demo.txt' >&2
	@$(CLEAN_ENV) $(PIP) install --use-pep517 -r requirements/demo.txt -e .
	@touch $@

$(VENV)/test.stamp: requirements/test.txt requirements/train.txt requirements/pictures.txt \
    $(VENV)/demo.stamp
	@echo 'installing requirements/test.txt' >&2
	@$(CLEAN_ENV) $(PIP) install -r requirements/test.txt
	@$(CLEAN_ENV) $(PIP) install --no-deps -r requirements/pictures.txt
	@ldconfig -p | grep -q libOSMesa || $(INSTALL_OSMESA) || \
	  echo 'the simulation is not tested: sudo apt install libosmesa6' >&2
	@command -v chromedriver >/dev/null || $(INSTALL_BROWSER) || \
	  echo 'the page is not tested in a browser: sudo apt install chromium chromium-driver' >&2
	@touch $@
