"""Stands in for `meshgait trial`: takes its arguments, and leaves what a run leaves, in a moment."""

import json
import sys
import time
from pathlib import Path

given = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:] if word.startswith("--"))
folder, x = Path(given["folder"]), float(given["x"])
with open(folder / "starts.txt", "a") as file:
    file.write("begun\n")
if given.get("k") == "broken":
    sys.exit("it is broken")
with open(folder / "history.jsonl", "w") as file:
    for validation in range(1, 5):
        time.sleep(float(given["seconds"]) / 4)
        value = float("nan") if given.get("k") == "nan" else x**2 + 1 / validation
        file.write(json.dumps({"step": 10 * validation, "train/loss": 1.0}) + "\n")
        file.write(json.dumps({"step": 10 * validation, "val/x": value}) + "\n")
        file.flush()
(folder / "metrics.json").write_text(json.dumps({"figures": {"val/x": value, "val/other": 1.0}}))
