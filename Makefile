.DEFAULT_GOAL := help
.PHONY: help setup data check pretrain finetune baseline evaluate report export sweep usf small notebooks bench torture \
	ablations overhead fuzz test lint format clean
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WALKERS ?= data/walkers
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
SWEEP ?= experiments/sweeps/pretrain.yaml
SWEEP_WORKERS ?= 1
ABLATE ?= experiments/finetune/walkers.yaml
export WANDB_SILENT ?= true

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

setup: $(STAMP)  ## make .venv and install the pinned versions

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

data: $(WALKERS)/meta.json  ## synthetic walkers with exact 3D truth

$(WALKERS)/meta.json: | $(STAMP)
	$(BIN)/meshgait walkers $(WALKERS) --workers $(WORKERS)

check: $(WALKERS)/meta.json  ## what is wrong with the walkers, with remedies
	$(BIN)/meshgait check $(WALKERS) --checksums --strict --pictures runs/check --json runs/check/report.json

pretrain: runs/pretrain/metrics.json  ## stage 1: 3D heatmaps

runs/pretrain/metrics.json: $(WALKERS)/meta.json
	$(BIN)/meshgait fit --config experiments/pretrain/walkers.yaml --ckpt_path last

finetune: runs/finetune/metrics.json  ## stage 2: recognition on top of stage 1, and the table of results
	@$(BIN)/meshgait evaluate runs/pretrain runs/finetune

runs/finetune/metrics.json: runs/pretrain/metrics.json
	$(BIN)/meshgait fit --config experiments/finetune/walkers.yaml --ckpt_path last

baseline: runs/baseline/metrics.json  ## the same network without its 3D branch

runs/baseline/metrics.json: $(WALKERS)/meta.json
	$(BIN)/meshgait fit --config experiments/finetune/walkers-2d.yaml --ckpt_path last

evaluate: runs/baseline/metrics.json runs/finetune/metrics.json  ## one table: GEI baseline, 2D only, Mesh-Gait
	@$(BIN)/meshgait evaluate runs/pretrain runs/baseline runs/finetune

report: runs/pretrain/metrics.json runs/finetune/metrics.json  ## one page of both runs: runs/report.html
	@$(BIN)/meshgait report runs/pretrain runs/finetune --out runs/report.html --overwrite

export: runs/finetune/metrics.json  ## safetensors, ONNX and model card of the recogniser: runs/model
	$(BIN)/meshgait export runs/finetune/checkpoints/last.ckpt --out runs/model --onnx --overwrite

sweep: $(WALKERS)/meta.json  ## search settings: make sweep SWEEP=experiments/sweeps/pretrain.yaml
	$(if $(findstring finetune,$(SWEEP)),@$(MAKE) --no-print-directory pretrain)
	$(BIN)/meshgait sweep $(SWEEP) --workers $(SWEEP_WORKERS)

usf: runs/usf/metrics.json runs/usf-2d/metrics.json runs/usf-zero-shot/metrics-usf.json  ## real people: make usf USF=folder
	@$(BIN)/meshgait evaluate runs/usf-zero-shot/metrics-usf.json runs/usf-2d runs/usf

data/usf/meta.json: | $(STAMP)
	@test -n "$(USF)" || { echo "give the folder of Gal.npz and PrbA.npz .. PrbG.npz: make usf USF=folder" >&2; exit 2; }
	$(BIN)/meshgait pack $(USF) data/usf --layout usf --no-crop

runs/usf/metrics.json: data/usf/meta.json runs/pretrain/metrics.json
	$(BIN)/meshgait fit --config experiments/finetune/usf.yaml --ckpt_path last

runs/usf-2d/metrics.json: data/usf/meta.json
	$(BIN)/meshgait fit --config experiments/finetune/usf-2d.yaml --ckpt_path last

# 280 people to train on, seen from the side by a farther camera, with errors of segmentation
data/walkers-many/meta.json: | $(STAMP)
	$(BIN)/meshgait walkers data/walkers-many --bodies 150 --test-fraction 0.0667 --views 60,75,90,105,120 \
		--conditions nm-01,nm-02,bg-01 --noise mild --camera-distance 12 --workers $(WORKERS)

runs/robust/metrics.json: data/walkers-many/meta.json runs/pretrain/metrics.json
	$(BIN)/meshgait fit --config experiments/finetune/walkers-robust.yaml --ckpt_path last

runs/usf-zero-shot/metrics-usf.json: data/usf/meta.json runs/robust/metrics.json
	$(BIN)/meshgait test --config experiments/finetune/usf.yaml --trainer.default_root_dir runs/usf-zero-shot \
		--model.pretrained null --ckpt_path runs/robust/checkpoints/last.ckpt

small: $(STAMP)  ## small walkers and runs for the notebooks, in two minutes
	@OMP_NUM_THREADS=1 $(MAKE) --no-print-directory -j2 runs/small-finetune/metrics.json runs/small-baseline/metrics.json

data/small/meta.json: | $(STAMP)
	$(BIN)/meshgait walkers data/small --bodies 10 --test-fraction 0.4 --views 0,45,90 --frames 16 --workers $(WORKERS)

runs/small-pretrain/metrics.json: data/small/meta.json
	$(BIN)/meshgait fit --config experiments/pretrain/small.yaml --ckpt_path last

runs/small-finetune/metrics.json: runs/small-pretrain/metrics.json
	$(BIN)/meshgait fit --config experiments/finetune/small.yaml --ckpt_path last

runs/small-baseline/metrics.json: data/small/meta.json
	$(BIN)/meshgait fit --config experiments/finetune/small-2d.yaml --ckpt_path last

# plotly's script goes into the page, so that it opens from disk; the kernel listens on this machine alone
notebooks: small  ## execute the notebooks into runs/notebooks
	PLOTLY_RENDERER=notebook $(BIN)/jupyter nbconvert --to html --execute --output-dir runs/notebooks \
		--log-level ERROR --ExecutePreprocessor.extra_arguments=--log-level=ERROR \
		--ExecutePreprocessor.startup_timeout=600 --ExecutePreprocessor.timeout=600 \
		--HTMLExporter.require_js_url= --HTMLExporter.mathjax_url= notebooks/*.ipynb
	@ls runs/notebooks/*.html

overhead: $(WALKERS)/meta.json  ## what logging and pictures cost
	$(BIN)/python benchmarks/logging_overhead.py experiments/pretrain/walkers.yaml --of 240
	$(BIN)/python benchmarks/logging_overhead.py experiments/finetune/walkers.yaml --of 360 --model.pretrained null

bench: $(STAMP)  ## packing, loading, scoring and networks beside plain ways: runs/bench
	@mkdir -p runs/bench
	$(BIN)/python benchmarks/packing.py --json runs/bench/packing.json
	$(BIN)/python benchmarks/loading.py --json runs/bench/loading.json
	$(BIN)/python benchmarks/scoring.py --json runs/bench/scoring.json
	$(BIN)/python benchmarks/networks.py --json runs/bench/networks.json

ablations: runs/pretrain/metrics.json  ## what each part brings, 3 seeds: make ablations ABLATE=experiments/finetune/walkers.yaml
	$(BIN)/python benchmarks/ablations.py $(ABLATE) --seeds 3 --json runs/ablations/$(basename $(notdir $(ABLATE))).json

fuzz: $(STAMP)  ## read a thousand changed files of every format
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/fuzz.py

torture: $(STAMP)  ## kill trainings 20 times and compare with ones left alone
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/torture.py

test: $(STAMP)  ## all tests
	$(BIN)/pytest -n auto

lint: $(STAMP)  ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## mend style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove data, runs and the virtual environment
	rm -rf data runs $(VENV)
