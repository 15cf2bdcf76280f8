# make test and make demo do everything themselves on Debian or Ubuntu: environment, build, run. See README.md.
SHELL := bash
.SHELLFLAGS := -eo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Two workers of one thread each: tests wait for messages as often as they compute. tests/conftest.py orders the files.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

# A sourced ROS installation gets an environment and a build of its own; scripts/activate.sh knows the same names.
VENV := .venv$(ROS_DISTRO:%=-%)
WORKSPACE := build_ws$(ROS_DISTRO:%=-%)
ENV := $(VENV)/made_from
BUILD := $(WORKSPACE)/built
FILES := $(WORKSPACE)/files
ACTIVATE := source scripts/activate.sh

.PHONY: FORCE help env build test quick lint demo docs gpu gpu-train shell clean

help:
	@echo 'make test    lint, types, build and tests'
	@echo 'make quick   ruff and the quick tests, in a minute'
	@echo 'make demo    track objects: [VIDEO=file|ladybirds] [BOX=x0,y0,x1,y1] [POINT=x,y] [MEMORY=dam|sam2] [DEPTH=1: in space] [PAGE=1: in a browser]'
	@echo 'make lint    ruff and mypy alone'
	@echo 'make build   build the ROS 2 package with colcon, in $(WORKSPACE)/'
	@echo 'make docs    build the documentation, in build/docs/'
	@echo 'make env     only the environment, $(VENV)/'
	@echo 'make gpu     check and measure all that only a GPU can tell, in eight minutes: [PARTS=list] [OUT=folder]'
	@echo 'make gpu-train  go on training on a GPU: DATA=folder [MINUTES=9] [START=weights] [OUT=folder]'
	@echo 'make shell   a shell that sees the environment and the built package'
	@echo 'make clean   delete the environment and everything built'

env: $(ENV)

# Time stamps say when to look, checksums whether anything is to be done.
$(ENV): constraints.txt scripts/make_env.sh scripts/repair_wheels.py scripts/requirements.txt scripts/requirements-ros.txt
	@if sha256sum --check --status $@ 2>/dev/null; then touch $@; else scripts/make_env.sh $(VENV) $(PYTHON); fi

build: $(BUILD)

# The list of installed files changes its time stamp only when a file comes or goes.
$(FILES): FORCE
	@mkdir -p $(WORKSPACE)
	find sam2_ros launch config -type f -not -path '*/__pycache__/*' | sort > $@.new
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@

FORCE:

# Sources, launch and config files are linked, so only a new file or what CMake reads asks for a new build. The package
# gets a workspace of its own: CMake refuses include folders (those of the environment) inside its source folder.
$(BUILD): $(ENV) $(FILES) CMakeLists.txt package.xml cmake/node.in $(wildcard msg/*.msg srv/*.srv)
	@$(ACTIVATE)
	mkdir -p $(WORKSPACE)/src
	ln -sfn ../.. $(WORKSPACE)/src/sam2_ros
	cd $(WORKSPACE)
	python=$$(command -v python)
	colcon build --symlink-install --cmake-args -DPython3_EXECUTABLE=$$python -DPYTHON_EXECUTABLE=$$python
	touch built

lint: $(ENV)
	@$(ACTIVATE)
	ruff check .
	ruff format --check .
	mypy

# A shell that starts make in the background makes all below it ignore Ctrl-C, which tests send to nodes.
test: lint build
	@scripts/get_browser.sh
	$(ACTIVATE)
	env --default-signal=INT OMP_NUM_THREADS=1 python -m pytest $(PYTEST_ARGS)

# For the inner loop: without what is marked as slow.
quick: build
	@$(ACTIVATE)
	ruff check .
	env --default-signal=INT OMP_NUM_THREADS=1 python -m pytest -q -m 'not slow' $(PYTEST_ARGS)

demo: build
	@$(ACTIVATE)
	python -m sam2_ros.tools.demo $(if $(DEPTH),--video bodies,$(if $(VIDEO),--video '$(VIDEO)')) $(BOX:%=--box '%') $(POINT:%=--point '%') $(MEMORY:%=--memory '%') $(if $(PAGE),--page)

# Sphinx reads pages of several folders: docs/conf.py says which. Warnings are errors.
docs: build
	@$(ACTIVATE)
	python -m sphinx -W --keep-going -n -q -c docs . build/docs
	echo 'Open build/docs/index.html'

# For a machine that has a GPU and python3 with PyTorch, OpenCV and safetensors: no environment is made.
PARTS ?= all
gpu: OUT := build/gpu
gpu:
	@PYTHONPATH=. $(PYTHON) -m sam2_ros.tools.bench --gpu-suite $(OUT) --parts $(PARTS)

# For a machine that has a GPU and python3 with PyTorch, OpenCV, scikit-image, PyYAML and tqdm: no environment is made.
# The folder DATA holds sprites/ and backgrounds/. OUT gets the weights every two minutes, for a run that is cut short.
MINUTES ?= 9
START ?= sam2_ros/weights/sam2.1_hiera_micro.safetensors
OUT ?= build/gpu_training
gpu-train:
	@PYTHONPATH=. $(PYTHON) -m sam2_ros.training.train --config config/train_gpu.yaml --device auto --minutes $(MINUTES) \
		--workers $$(( $$(nproc) > 2 ? $$(nproc) - 2 : 1 )) --start $(START) --folder $(OUT) \
		--cutouts $(DATA)/sprites --backgrounds $(DATA)/backgrounds

shell: build
	@$(ACTIVATE)
	exec bash --norc

clean:
	rm -rf $(VENV) $(WORKSPACE) .pytest_cache .mypy_cache .ruff_cache
