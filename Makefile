# make test and make demo do everything themselves on Debian or Ubuntu: environment, build, run. See README.md.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON ?= python3
WS := build_ws
ENV := .venv/made_from
BUILT := $(WS)/built
ACTIVATE := . scripts/activate.sh
# Two workers with one thread each: as fast on two cores as the tests get.
PYTEST_ARGS ?= -n 2

.PHONY: help env build test lint demo shell clean

help:
	@echo 'make test    lint, types, build and tests'
	@echo 'make demo    track an object: [VIDEO=file] [BOX=x0,y0,x1,y1] [POINT=x,y]'
	@echo 'make lint    ruff and mypy'
	@echo 'make build   build the ROS 2 package with colcon into $(WS)/'
	@echo 'make env     only the environment .venv/'
	@echo 'make shell   a shell with the environment and the built package'
	@echo 'make clean   delete the environment and everything built'

env: $(ENV)

$(ENV): constraints.txt scripts/make_env.sh scripts/repair_wheels.py scripts/requirements.txt scripts/requirements-ros.txt
	@sha256sum --check --status $@ 2>/dev/null && touch $@ || scripts/make_env.sh $(PYTHON)

build: $(BUILT)

# Python, launch and config files are used from the source tree; only what CMake reads asks for a new build.
# The link src/sam2_ros makes a workspace of it: CMake refuses include folders (.venv) that lie inside the source.
$(BUILT): $(ENV) CMakeLists.txt package.xml cmake/node.in $(wildcard msg/*.msg srv/*.srv)
	$(ACTIVATE)
	mkdir -p $(WS)/src
	ln -sfn ../.. $(WS)/src/sam2_ros
	python=$$(command -v python)
	cd $(WS)
	colcon build --symlink-install --cmake-args -DPython3_EXECUTABLE=$$python -DPYTHON_EXECUTABLE=$$python
	touch built

lint: $(ENV)
	$(ACTIVATE)
	ruff check .
	mypy

test: lint build
	$(ACTIVATE)
	OMP_NUM_THREADS=1 python -m pytest $(PYTEST_ARGS)

demo: build
	$(ACTIVATE)
	python -m sam2_ros.tools.demo $(if $(VIDEO),--video '$(VIDEO)') $(if $(BOX),--box '$(BOX)') $(if $(POINT),--point '$(POINT)')

shell: build
	$(ACTIVATE)
	exec bash

clean:
	rm -rf .venv $(WS) .pytest_cache .mypy_cache .ruff_cache
