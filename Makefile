# `make demo` and `make test` set up all they need in .venv, once. Options, all optional:
#   PYTHON=python3.11   interpreter of a new .venv (3.10 to 3.12)
#   SOURCE= DURATION= FOV= CAMERA_INFO= OUTPUT=   of the demo; see README.md
#   ARGS=               more arguments for pytest or the demo

VENV := .venv/bin/python
INTERPRETER := $(or $(PYTHON),python3)
# Only a ROS installation needs to be told where .venv keeps its messages; the wheels know.
RUN = AMENT_PREFIX_PATH="$(CURDIR)/.venv$${AMENT_PREFIX_PATH:+:$$AMENT_PREFIX_PATH}" \
      LD_LIBRARY_PATH="$(CURDIR)/.venv/lib$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" $(VENV)
COLCON = cd ros2_ws && PATH="$(CURDIR)/.venv/bin:$$PATH" \
         CMAKE_PREFIX_PATH="$(CURDIR)/.venv$${CMAKE_PREFIX_PATH:+:$$CMAKE_PREFIX_PATH}" \
         $(subst $(VENV),../$(VENV),$(RUN)) -m colcon
option = $(if $($1),--$2 '$($1)')

unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
.PHONY: help setup demo test lint format typecheck ws ws-test clean

help:
	@echo 'make demo       synthetic camera, node and monitor, live; SOURCE= takes a video, folder, webcam or bag'
	@echo 'make test       all tests'
	@echo 'make setup      only what both need'
	@echo 'make lint format typecheck ws ws-test clean'

setup:
	@'$(INTERPRETER)' -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || { \
	  echo '$(INTERPRETER) is not there or too old: install Python 3.10, 3.11 or 3.12 and name' \
	    'it, for example "make test PYTHON=python3.11".' >&2; exit 1; }
	@'$(INTERPRETER)' scripts/bootstrap $(call option,PYTHON,python)

demo: setup
	@$(RUN) -m metrichmsr_ros.start metrichmsr_ros.ros.demo $(call option,SOURCE,source) \
	  $(call option,DURATION,duration) $(call option,FOV,fov) \
	  $(call option,CAMERA_INFO,camera-info) $(call option,OUTPUT,output) $(ARGS)

test: setup
	@$(RUN) -m pytest $(ARGS)

lint: setup
	@$(VENV) -m ruff check . && $(VENV) -m ruff format --check .

format: setup
	@$(VENV) -m ruff check --fix-only . && $(VENV) -m ruff format .

typecheck: setup
	@$(VENV) -m mypy

# The workspace as ROS users build it, in ros2_ws/{build,install,log}.
ws: setup
	@$(COLCON) build

ws-test: ws
	@$(COLCON) test && ../$(VENV) -m colcon test-result --verbose

clean:
	rm -rf .venv .setup.log ros2_ws/build ros2_ws/install ros2_ws/log *.egg-info
