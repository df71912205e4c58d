PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
SWEEP ?= experiments/sweeps/pretrain.yaml
ABLATE ?= experiments/finetune/walkers.yaml
export WANDB_SILENT ?= true
.DELETE_ON_ERROR:
.PHONY: $(shell sed -nE 's/^([a-z -]+):.*\#\# .*/\1/p' Makefile)

help: ; @sed -nE 's/^([a-z -]+):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16  ## this list
setup: $(VENV)/.installed  ## make .venv and install the pinned versions
data: data/walkers/meta.json  ## synthetic walkers with exact 3D truth
check: data  ## what is wrong with the walkers, with remedies
	$(BIN)/meshgait check data/walkers --checksums --strict --pictures runs/check --json runs/check/report.json
pretrain: runs/pretrain/metrics.json  ## stage 1: 3D heatmaps
finetune: runs/finetune/metrics.json  ## stage 2: recognition on top of stage 1, and the table of results
	@$(BIN)/meshgait compare runs/pretrain runs/finetune
baseline: runs/finetune-2d/metrics.json  ## the same network without its 3D branch
evaluate: baseline runs/finetune/metrics.json  ## one table: GEI baseline, 2D only, Mesh-Gait
	@$(BIN)/meshgait compare runs/pretrain runs/finetune-2d runs/finetune
report: runs/finetune/metrics.json  ## one page of both runs: runs/report.html
	@$(BIN)/meshgait report runs/pretrain runs/finetune --out runs/report.html --overwrite
export: runs/finetune/metrics.json  ## safetensors, ONNX and model card of the recogniser: runs/model
	$(BIN)/meshgait export runs/finetune/checkpoints/last.ckpt --out runs/model --onnx --overwrite
sweep: data $(if $(findstring finetune,$(SWEEP)),pretrain)  ## search settings: make sweep SWEEP=experiments/sweeps/both.yaml
	$(BIN)/meshgait sweep $(SWEEP) --workers $(or $(SWEEP_WORKERS),1)
small: runs/small-finetune/metrics.json runs/small-finetune-2d/metrics.json  ## small walkers and runs for the notebooks
notebooks: small ; $(BIN)/jupyter nbconvert --config notebooks/nbconvert_config.py notebooks/*.ipynb  ## into runs/notebooks
bench: bench-packing bench-loading bench-scoring bench-networks  ## speed beside plain ways; or bench-NAME ARGS="..."
bench-%: setup ; mkdir -p runs/bench && $(BIN)/python benchmarks/$(subst -,_,$*).py $(or $(ARGS),--json runs/bench/$*.json)
ablations: pretrain  ## what each part brings, 3 seeds: make ablations ABLATE=experiments/usf/gallery.yaml
	$(BIN)/python benchmarks/ablations.py $(ABLATE) --seeds 3 --json runs/ablations/$(basename $(notdir $(ABLATE))).json
fuzz torture: setup ; OMP_NUM_THREADS=1 $(BIN)/python benchmarks/$@.py  ## read changed files; kill trainings 20 times
test: setup ; $(BIN)/pytest -n auto  ## all tests
test-fast: setup ; $(BIN)/pytest -n auto -m "not slow"  ## all but those marked slow
lint: setup ; $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy  ## style, format and types
docs: setup ; NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  ## the pages of docs/ as a site: runs/site
format: setup ; $(BIN)/ruff check --fix . && $(BIN)/ruff format .  ## mend style and format
clean: ; rm -rf data runs $(VENV)  ## remove data, runs and the virtual environment

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' && touch $@

walkers-small := --bodies 10 --test-fraction 0.4 --views 0,45,90 --frames 16
data/%/meta.json: | $(VENV)/.installed ; $(BIN)/meshgait walkers data/$* $(walkers-$*) --workers $(WORKERS)

# the experiment of a run is the one that names its folder; runs/NAME-2d is the same without 3D
runs/%/metrics.json: ; $(BIN)/meshgait fit --config $(shell grep -lr 'root_dir: runs/$*$$' experiments) --ckpt_path last
runs/%-2d/metrics.json:
	$(BIN)/meshgait fit --config $(shell grep -lr 'root_dir: runs/$*$$' experiments) --config experiments/ablations/2d-only.yaml \
		--data.body_store null --trainer.default_root_dir runs/$*-2d --ckpt_path last
runs/pretrain/metrics.json runs/finetune-2d/metrics.json: data/walkers/meta.json
runs/finetune/metrics.json: runs/pretrain/metrics.json
runs/small-pretrain/metrics.json runs/small-finetune-2d/metrics.json: data/small/meta.json
runs/small-finetune/metrics.json: runs/small-pretrain/metrics.json
include experiments/usf/usf.mk experiments/weights/weights.mk
