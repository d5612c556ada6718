# Everything a user or CI runs. `make help` lists it.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export OMP_WAIT_POLICY ?= PASSIVE

PACKAGE ?= .evergreen/flyte-package.tgz
RUNS = $(or $(EVERGREEN_HOME),.evergreen)/mlflow.db
# As it was given: the `${NAME}` of a database's password is for the process that connects, not for make or the shell.
CLOCK := $(if $(AS_OF),--as_of $(AS_OF)) $(if $(value SOURCE),--source '$(value SOURCE)')
INPUTS := $(CLOCK) $(if $(CONFIG),--config $(CONFIG))

.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*\#\#.*/\1/p' Makefile)
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## make .venv with the pinned packages and the project

# `--no-deps`: the lock is the whole closure. PyTorch's build for CUDA, where pip finds that one, needs NVIDIA's libraries too: it pins them.
$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet "$$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

retrain: $(STAMP) ## data to a registered model; AS_OF=2013-11-01 SOURCE=folder CONFIG=file.json
	@$(BIN)/pyflyte run workflows/retrain.py retrain $(INPUTS)

monitor: $(STAMP) ## a night: watch champion and service, and act on evidence; AS_OF=2013-10-15T18:00:00 SOURCE=folder CONFIG=file.json
	@$(BIN)/pyflyte run workflows/monitor.py monitor $(INPUTS)

backtest: $(STAMP) ## replay policies of retraining over history; killed, it goes on; AS_OF= SOURCE= CONFIG=file.json RULES=file.json
	@$(BIN)/pyflyte run workflows/backtest.py backtest $(INPUTS) $(if $(RULES),--rules $(RULES))

backfill: $(STAMP) ## bring days up to date, with features and scores; FIRST=2013-10-01 LAST=2013-10-07 VERSION= AS_OF= SOURCE=
	@$(BIN)/pyflyte run workflows/backfill.py backfill --first_day "$(FIRST)" --last_day "$(LAST)" \
		$(if $(VERSION),--model_version $(VERSION)) $(CLOCK)

night: $(STAMP) ## ingest, validate and add features for the days that are new; AS_OF= SOURCE=
	@$(BIN)/pyflyte run workflows/night.py night $(INPUTS)

load: $(STAMP) ## fill a lake with years of history as night does, block by block; on a cluster many pods at once; AS_OF= SOURCE=
	@$(BIN)/pyflyte run workflows/load.py load $(CLOCK)

data-card: $(STAMP) ## what the data are and hold, as Markdown and HTML; AS_OF= SOURCE=
	@$(BIN)/pyflyte run workflows/data_card.py data_card $(INPUTS)

data-value: $(STAMP) ## what each feature and more history are worth; AS_OF=2013-10-01 SOURCE=folder CONFIG=file.json
	@$(BIN)/pyflyte run workflows/data_value.py data_value $(INPUTS)

search: $(STAMP) ## better settings of the network, on folds before the evaluation days; killed, it goes on; AS_OF= SOURCE= CONFIG= RULES=file.json
	@$(BIN)/pyflyte run workflows/search.py search $(INPUTS) $(if $(RULES),--rules $(RULES))

compress: $(STAMP) ## smaller forms of the network: size, speed, loss, and which are fit to serve; AS_OF= SOURCE= CONFIG=
	@$(BIN)/pyflyte run workflows/compression.py compress $(INPUTS)

trace: $(STAMP) ## from a version or a prediction back to the source's files; VERSION=1 or PREDICTION=id
	@$(BIN)/pyflyte run workflows/lineage.py trace $(if $(VERSION),--model_version $(VERSION)) $(if $(PREDICTION),--prediction_id $(PREDICTION))

reproduce: $(STAMP) ## train a registered version again, and say whether it is the same to the bit; VERSION=1
	@$(BIN)/pyflyte run workflows/reproduce.py reproduce --model_version $(VERSION)

override: $(STAMP) ## let a batch pass by name; RULE="volume of orders" DAY=2024-07-04 BY="Ada Example" REASON="a strike"
	@$(BIN)/pyflyte run workflows/override.py override --rule "$(RULE)" --by "$(BY)" --reason "$(REASON)" --day "$(DAY)"

approve: $(STAMP) ## approve a version that waits for a person; VERSION=2 BY="Ada Example" REASON="why" DOSSIER=first-12-digits-of-its-sum
	@$(BIN)/pyflyte run workflows/promote.py review --model_version "$(VERSION)" --by "$(BY)" --reason "$(REASON)" --dossier "$(DOSSIER)"

rollback: $(STAMP) ## bring an earlier version back; TO=1 BY="Ada Example" REASON="why"
	@$(BIN)/pyflyte run workflows/rollback.py rollback --to "$(TO)" $(if $(BY),--by "$(BY)") $(if $(REASON),--reason "$(REASON)")

audit: $(STAMP) ## verify the audit trail, and show its newest rows
	@$(BIN)/pyflyte run workflows/audit.py audit

explain: $(STAMP) ## why a row got its probability; ROW=key VERSION=1 AS_OF= SOURCE=
	@$(BIN)/pyflyte run workflows/explain.py explain --row "$(ROW)" $(if $(VERSION),--model_version $(VERSION)) $(CLOCK)

mitigation: $(STAMP) ## ways to less difference between groups, and what each costs; ATTRIBUTE="air service" AS_OF= SOURCE= CONFIG=
	@$(BIN)/pyflyte run workflows/mitigation.py mitigation $(INPUTS) $(if $(ATTRIBUTE),--attribute "$(ATTRIBUTE)")

upkeep: $(STAMP) ## compact the lake, and remove what no registered version names; KEEP_DAYS=30
	@$(BIN)/pyflyte run workflows/upkeep.py upkeep $(if $(KEEP_DAYS),--keep_days $(KEEP_DAYS))

serve: $(STAMP) ## serve the champion's Bento on 127.0.0.1; PORT=3000
	@$(BIN)/python -m tasks.serving.run --port $(or $(PORT),3000)

key: $(STAMP) ## who may use the service; ACT=add NAME="airline" ROLES="predict feedback" DAYS=90 | ACT=rotate ID= HOURS=24 | ACT=revoke ID= | ACT=list
	@$(BIN)/python -m tasks.serving.access $(or $(ACT),$(if $(NAME),add,list)) $(ID) $(if $(NAME),--name "$(NAME)") \
		$(if $(NAME),$(foreach role,$(or $(ROLES),predict),--role $(role))) $(if $(DAYS),--days $(DAYS)) $(if $(HOURS),--overlap-hours $(HOURS)) \
		$(if $(BY),--by "$(BY)") $(if $(REASON),--reason "$(REASON)")

rollout: $(STAMP) ## who answers whom; VERSION=2 MODE=shadow|canary|full|abort SHARE=0.1 BY="Ada Example" REASON="why"
	@$(BIN)/pyflyte run workflows/rollout.py rollout --model_version $(or $(VERSION),0) --mode "$(MODE)" --share $(or $(SHARE),0) \
		$(if $(BY),--by "$(BY)") $(if $(REASON),--reason "$(REASON)")

state: $(STAMP) ## publish what the service makes features of flights from; AS_OF=2013-10-01 SOURCE=folder
	@$(BIN)/pyflyte run workflows/serving_state.py serving_state $(CLOCK)

collect: $(STAMP) ## bring the prediction log and outcomes into the lake, and judge a canary by them; AS_OF= SOURCE=
	@$(BIN)/pyflyte run workflows/collect.py collect $(CLOCK)

score: $(STAMP) ## score whole days as the service would; FIRST=2013-10-01 LAST=2013-10-07 VERSION= AS_OF= SOURCE=
	@$(BIN)/pyflyte run workflows/batch_scoring.py batch_scoring --first_day "$(FIRST)" --last_day "$(LAST)" \
		$(if $(VERSION),--model_version $(VERSION)) $(CLOCK)

ml-test-score: $(STAMP) ## how ready this installation is: the 28 tests of the ML Test Score by their evidence, and what would earn more
	@$(BIN)/pyflyte run workflows/ml_test_score.py ml_test_score

image: $(STAMP) ## the container image of a registered version; VERSION=1 [BASE=python:3.11-slim@sha256:...]
	@docker info >/dev/null 2>&1 || { echo "error: a Docker daemon must be in reach; got none. To mend: start Docker, or run this where it is"; exit 1; }
	@context="$$($(BIN)/python -m tasks.serving.run --bento "$(VERSION)")" \
		&& docker build --file images/deploy/Dockerfile --tag evergreen:$(VERSION) $(if $(BASE),--build-arg PYTHON=$(BASE)) "$$context"

# The address says `machine_learning`: MLflow's UI opens on its pages for language models otherwise.
runs: $(STAMP) ## look at runs and versions in MLflow's UI on 127.0.0.1; PORT=5000
	@test -f $(RUNS) || { echo "$(RUNS) must hold runs; there is none. To mend: make retrain"; exit 1; }
	@echo "http://127.0.0.1:$(or $(PORT),5000)/#/experiments?workflowType=machine_learning"
	@MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false PYTHONWARNINGS=ignore $(BIN)/mlflow ui \
		--backend-store-uri sqlite:///$(RUNS) --host 127.0.0.1 --port $(or $(PORT),5000) --workers 1

test: $(STAMP) ## all tests; their report is evidence for the ML Test Score
	@$(BIN)/pytest --numprocesses 2 --dist loadgroup --junitxml=$(or $(EVERGREEN_HOME),.evergreen)/tests.xml

pods: $(STAMP) ## every workflow as a cluster's pods would run it, from the packaged protobufs; a quarter of an hour
	@$(BIN)/pytest -m pods -x tests/flyte/pods

new-usecase: $(STAMP) ## a first use case from a sample of rows; SAMPLE=file.csv NAME=loans TIME=column LABEL=column KEY=column ZONE=UTC OUT=folder
	@$(BIN)/python -m tasks.scaffold.run --sample "$(SAMPLE)" $(if $(NAME),--name "$(NAME)") $(if $(TIME),--time "$(TIME)") \
		$(if $(LABEL),--label "$(LABEL)") $(if $(KEY),--key "$(KEY)") $(if $(ZONE),--zone "$(ZONE)") $(if $(OUT),--out "$(OUT)")

test-quick: $(STAMP) ## the tests of single modules only
	@$(BIN)/pytest -m unit

coverage: $(STAMP) ## lines and branches that the tests of modules, data and models run, by package, and the floor of plain modules
	@mkdir -p .evergreen
	@$(BIN)/pytest -m "unit or data or model" --numprocesses 2 --dist loadgroup --cov --cov-report=
	@$(BIN)/coverage json -q -o .evergreen/coverage.json
	@$(BIN)/python -m tests.conventions.covered .evergreen/coverage.json

check: $(STAMP) ## lint, format, types, import rules, licences, and what nobody uses: dependencies, code, features
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry tasks workflows launchplans images --optional-dependencies-dev-groups dev
	@$(BIN)/deptry . --ignore DEP001,DEP003,DEP004
	@$(BIN)/python -m tests.conventions.unused
	@$(BIN)/python -m tasks.governance.project

format: $(STAMP) ## mend format and what lint can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

sbom: $(STAMP) ## the project's bill of materials (CycloneDX), with licences; OUT=.evergreen/sbom.json
	@$(BIN)/python -m tasks.governance.project --out $(or $(OUT),.evergreen/sbom.json)

mutate: $(STAMP) ## would a test notice if a line of a core module were wrong? MODULE=tasks/rows.py [MOST=50]
	@$(BIN)/python -m tests.mutate $(MODULE) $(if $(MOST),--most $(MOST))

bench: $(STAMP) ## figures beside their peers; NAME=spine [ARGS=--quick]
	@$(BIN)/python -m tests.benchmarks.$(NAME) $(ARGS)

# `--copy all`: tasks import their plain modules lazily, so that copying the loaded ones would leave them out; and an
# image's name then follows its pins alone. No Docker: flytekit would build the images from the network if it found one.
package: $(STAMP) ## what a cluster would register, as a file; PACKAGE=file.tgz
	@mkdir -p $(dir $(PACKAGE))
	@DOCKER_HOST=unix:///nowhere $(BIN)/pyflyte --pkgs workflows,launchplans package --force --copy all --output $(PACKAGE)

register: $(STAMP) ## all workflows and a domain's plans to its cluster; DOMAIN=staging VERSION=by-git PROJECT=evergreen FLYTE_CONFIG=file DRY_RUN=1
	@$(BIN)/python -m launchplans.register --domain "$(DOMAIN)" $(if $(VERSION),--version "$(VERSION)") $(if $(PROJECT),--project "$(PROJECT)") \
		$(if $(FLYTE_CONFIG),--config "$(FLYTE_CONFIG)") $(if $(DRY_RUN),--dry-run)

images: $(STAMP) ## build the images of tasks and push them to a domain's registry; DOMAIN=staging; needs Docker
	@docker info >/dev/null 2>&1 || { echo "error: a Docker daemon must be in reach; got none. To mend: start Docker, or run this where it is"; exit 1; }
	@$(BIN)/python -m launchplans.register --domain "$(DOMAIN)" --push-images

lock: ## pin pyproject.toml's closure anew, with the sum of each file, in a virtual environment of its own
	rm -rf .lock-venv && $(PYTHON) -m venv .lock-venv
	.lock-venv/bin/python -m pip install --quiet --editable ".[dev]" --requirement tasks/usecase/requirements.txt
	.lock-venv/bin/python -m pip freeze --all --exclude-editable --exclude pip | sed 's/+cpu//' > requirements.lock
	.lock-venv/bin/python -m images.lock
	.lock-venv/bin/python -m images.closures
	rm -rf .lock-venv

# Not --quiet, which would let --strict pass what it does not show. The variable leaves away a line for authors of themes; SITE is for tests.
docs: $(STAMP) ## build the site of documentation, with strict links, into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir $(abspath $(or $(SITE),site))
	@echo "$(or $(SITE),site)/index.html"

pictures: $(STAMP) ## take the pictures of the documentation from a finished run and night, with a headless Chromium; RUN=
	@$(BIN)/python -m tests.e2e.pictures $(or $(EVERGREEN_HOME),.evergreen) $(RUN)

docs-serve: $(STAMP) ## show the documentation on 127.0.0.1 while it is written; PORT=8000
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:$(or $(PORT),8000)

clean: ## remove everything that runs have left
	rm -rf .evergreen site

distclean: clean ## remove the virtual environment and caches too
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache *.egg-info
