# Everything a developer types. `make demo` and `make test` set up what they need, and say so.
.DELETE_ON_ERROR:
.PHONY: help demo demo-stop test check lint types unit golden docker-tests test-faults fuzz soak scale bench docs site lifecycle setup venv engine clean

PY := .venv/bin/python
# So many tests run at a time, those of one file one after the other; WORKERS=0: all in one process, to debug them.
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
FAULTS := tests/integration/test_faults.py tests/integration/test_damage.py tests/integration/test_attacks.py tests/integration/test_bad_input.py \
	tests/integration/test_cache_in_place.py tests/integration/test_memory.py tests/integration/test_supply_chain.py \
	tests/integration/test_engine_faults.py tests/contract/test_build_container.py tests/contract/test_registry.py tests/unit/test_fuzzing.py

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: setup ## build samples/php-guestbook, run it with MariaDB, post an entry and read it back
	@$(PY) scripts/demo.py

demo-stop: venv ## remove what `make demo` left running
	@$(PY) scripts/demo.py stop

# `setup` has made an engine answer, so tests that find none must fail and not be skipped. The default builder is made
# before them, lest two tests make it at the same time.
test: export PYBUILD_REQUIRE_ENGINE = 1
test: setup ## run every test (PYTEST=… for further arguments)
	@$(MAKE) --no-print-directory lint types
	@sh scripts/setup shells
	-@.venv/bin/pybuild doctor --prepare
	@$(PY) -m pytest -q $(PARALLEL) --durations=15 --durations-min=1 $(PYTEST)

check: venv ## lint, types, unit and golden tests: some minutes, no engine needed
	@$(MAKE) --no-print-directory lint types unit

lint: venv ## ruff: rules and format
	@.venv/bin/ruff check -q .
	@.venv/bin/ruff format -q --check .

types: venv ## mypy --strict
	@.venv/bin/mypy --no-error-summary

unit: venv ## tests without engine, network or root
	@$(PY) -m pytest -q $(PARALLEL) tests/unit -m "not docker and not network and not peer" $(PYTEST)

golden: venv ## recorded behaviour of the Go lifecycle (PYBUILD_GOLDEN=DIR for another recording)
	@$(PY) -m pytest -q -m golden $(PYTEST)

docker-tests: export PYBUILD_REQUIRE_ENGINE = 1
docker-tests: setup ## tests that need a Docker Engine
	@$(PY) -m pytest -q -m docker $(PYTEST)

test-faults: export PYBUILD_REQUIRE_ENGINE = 1
test-faults: setup ## faults and attacks: kills, signals, full disks, lying registries, hostile buildpacks and files
	@$(PY) -m pytest -q $(FAULTS) $(PYTEST)

fuzz: venv ## feed everything that reads what strangers write with nonsense, for FUZZ_SECONDS (600)
	@cd tests && PYTHONPATH=../src:. ../$(PY) -m support.fuzzing --seconds $(or $(FUZZ_SECONDS),600)

soak: setup ## 300 builds in a row and 1,000 kills at random moments, on an engine of its own; an hour (SOAK=… for arguments)
	@cd tests && PYTHONPATH=../src:. ../$(PY) -m support.soak $(SOAK)

scale: setup ## large apps, many layers, long names: time and memory at several sizes; half an hour, 25 GB (SCALE=… for arguments)
	@$(PY) benchmarks/scale.py $(SCALE)

bench: setup ## beside pack, as ratios in one run: PACK=… CNB_LIFECYCLE_DIR=… make bench
	@$(PY) benchmarks/run.py

lifecycle: setup ## write dist/pybuild-lifecycle.pyz (all phases in one file), .tgz (for builder.toml), and an image
	@$(PY) scripts/lifecycle.py
	@$(PY) scripts/lifecycle_image.py $(LIFECYCLE_IMAGE) $(if $(LIFECYCLE_BASE),--base $(LIFECYCLE_BASE))

docs: venv ## write the generated pages of docs/reference
	@$(PY) scripts/reference.py
	@$(PY) scripts/conformance.py
	@$(PY) scripts/reliability.py

site: venv ## the documentation as a site, in dist/site; warnings are errors
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict

setup: venv engine ## virtual environment and Docker Engine

venv:
	@sh scripts/setup venv

engine: venv
	@sh scripts/setup engine

clean: ## remove the virtual environment and caches of tools
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
