# Everything a person types. `make up` is enough to begin with; each target does the set-up it needs.
#   make up [NODES=n] [STATE=dir] [PORT=8000]
#   make test [ONLY='-k words']      make bench [ONLY=name]      KEEP_STATE=1 make down

PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help up down test faults check bench images

help: ## what can be asked for
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

up: ## all set-up, then the platform and NODES nodes in the foreground; Ctrl-C stops the platform
	@scripts/setup run
	@exec $(PYTHON) manage.py up $(if $(NODES),--nodes $(NODES))

down: ## remove everything that `up` started, workloads included, and nothing else
	@if [ -x $(PYTHON) ]; then exec $(PYTHON) manage.py down; else echo "Nothing to remove: Drover was never set up here."; fi

test: ## all set-up, then every test: unit, contract, cluster on real Docker, kubectl, browser
	@scripts/setup test
	@exec $(PYTHON) -m scripts.test $(ONLY)

faults: ## kills, full disks and lost queues under load, the long way (`make test` takes the short one)
	@scripts/setup test
	@DROVER_FAULTS=long exec $(PYTHON) -m scripts.test tests/faults

check: ## ruff, mypy, import rules, file sizes, migrations
	@scripts/setup check
	@exec scripts/check

bench: ## figures as JSON and a table; ONLY=name runs one
	@scripts/setup test
	@exec $(PYTHON) -m benchmarks $(ONLY)

images: ## local stand-ins for the examples' images, served from a registry on loopback
	@scripts/setup images
	@exec $(PYTHON) -m scripts.images
