# the model that comes with the package, trained on synthetic walkers alone: clean ones first, then 240 people with
# mild errors of segmentation, varied cameras, clothes and bodies, then 480 people with strong ones
.PHONY: weights
weights: runs/weights/metrics.json  ## the model that comes with the package, from nothing: src/meshgait/pretrained
	$(BIN)/meshgait export runs/weights/checkpoints/last.ckpt --out src/meshgait/pretrained --half --overwrite
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.weights_card --real $(or $(REAL),../shared/data) --walkers data/weights
walkers-weights-mild := --bodies 130 --test-fraction 0.077 --views 0,30,55,75,90,110,135 \
	--conditions nm-01,nm-02,bg-01,cl-01 --frames 8 --fps 8 --noise mixed --noise-strength 0.4 \
	--camera-variety 0.25 --wardrobe-variety 0.3 --body-variety 0.3
walkers-weights := --bodies 260 --test-fraction 0.077 --views 0,25,45,65,80,95,115,135,170 \
	--conditions nm-01,nm-02,bg-01,cl-01 --frames 16 --fps 15 --noise mixed --noise-strength 0.8 \
	--camera-variety 0.7 --wardrobe-variety 0.6 --body-variety 0.5
runs/weights-pretrain/metrics.json: data/weights-mild/meta.json
runs/weights-start/metrics.json: data/walkers/meta.json runs/weights-pretrain/metrics.json
runs/weights-mild/metrics.json: runs/weights-start/metrics.json
runs/weights/metrics.json: data/weights/meta.json runs/weights-mild/metrics.json
