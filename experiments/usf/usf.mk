# real people: USF HumanID, trained on its gallery, and by a network that never saw it
.PHONY: usf
usf: runs/usf/metrics.json runs/usf-2d/metrics.json runs/usf-zero-shot/metrics-usf.json  ## real people: make usf USF=folder
	@$(BIN)/meshgait compare runs/usf-zero-shot/metrics-usf.json runs/usf-2d runs/usf
data/usf/meta.json: | $(VENV)/.installed
	$(BIN)/meshgait pack $(or $(USF),$(error give the folder of Gal.npz and PrbA.npz .. PrbG.npz: make usf USF=folder)) \
		data/usf --layout usf --no-crop

# 280 people to train on, seen from the side by a farther camera, with errors of segmentation
walkers-walkers-many := --bodies 150 --test-fraction 0.0667 --views 60,75,90,105,120 --conditions nm-01,nm-02,bg-01 \
	--noise mild --camera-distance 12

runs/robust/metrics.json: data/walkers-many/meta.json runs/pretrain/metrics.json
runs/usf/metrics.json: data/usf/meta.json runs/pretrain/metrics.json
runs/usf-2d/metrics.json: data/usf/meta.json
runs/usf-zero-shot/metrics-usf.json: runs/robust/metrics.json data/usf/meta.json
	$(BIN)/meshgait test --config experiments/usf/gallery.yaml --trainer.default_root_dir runs/usf-zero-shot \
		--model.pretrained null --ckpt_path runs/robust/checkpoints/last.ckpt
