"""Every command of README.md, CONTRIBUTING.md and docs/ in a fresh copy of the repository, with nothing but
requirements.txt installed.

Whatever stands as code in them must be known: a command, configuration or something shown. A command is run as it
stands, on a small experiment in place of config.yaml and on the weights.yaml of its page, unless INSTEAD or MORE says
why it cannot be. The tutorial is run from its first command to its last one, with the experiment that it writes, and
the notebook on the small experiment.
"""

import ast
import base64
import csv
import io
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np
import pytest
import torch
import yaml
from derain.networks import build
from nbclient import NotebookClient
from PIL import Image
from places import REPOSITORY
from tiny_experiment import DATASET

TUTORIAL, NOTEBOOK = "docs/tutorial.md", "docs/how-to/results.ipynb"
EVALUATED = "docs/how-to/evaluate-weights.md"
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "docs").rglob("*.md")),
    NOTEBOOK,
)
FENCED = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
PROGRAMS = {
    *("apt-get", "derain", "env", "eval", "pip", "podman", "pytest", "python", "rm", "ruff", "scontrol", "snakefmt"),
    *("apptainer", "python3", "sinfo", "snakemake", "squeue", "tensorboard"),
}
ASSIGNMENT, CONFIGURATION = re.compile(r"\w+=\S+"), re.compile(r"[a-z_]+:(\s|$)")
SHOWN = (  # formulas, output, names of folders: what it begins with
    "L(f(O; θ), B)", "because ", "at work: ", "running      next", "rainy image", "ground truth", "rainy clean",
    "Snakefile      ", "allocator, errors, machine", "import torch", "class Network(nn.Module):",
    "def forward(self, ", "import derain", "network = derain.load(", "n − c(o), ", "θ = (",
    "rainy = Image.open(",
)  # fmt: skip

KILL, PARALLEL = "python benchmarks/faults/kill.py", "python benchmarks/data_parallel.py"
FILES = "python benchmarks/faults/fuzz_files.py"
ONE_STAGE = "--target results/stages/net/seed0/first/mild/theta.safetensors"
LOADING, PUBLISHED = "python benchmarks/data_loading.py FOLDER", "python benchmarks/published.py DATA"
STUDY = "python benchmarks/study"
SEQUENCE = "python benchmarks/published_sequence/run.py DATA RUN"
HARD = f"{SEQUENCE} --directions rain100l-heavy --images 10 --rates 1e-3"
DECIBELS = f"{HARD} --loss negative_psnr --methods finetune,added"
AS_OLD = f"{HARD} --methods finetune,as_old,as_old_added,as_old_blend --tables"
THETA = "RUN/results/stages/small/seed0/nr/drizzle/slanted/theta.safetensors"
PICTURES = f"{STUDY}/photographs.py RUN/data/real/rain OUT.jpg"
IN_CONTAINER = "snakemake --cores all --configfile my.yaml --config container=derain.sif"
SLURM = "snakemake --workflow-profile profiles/slurm --configfile my.yaml"

OF_A_CLASS = (
    "derain restore RAIN -o restored -n results/stages/mine/seed0/nr/drizzle/slanted --backbone my_networks.py:Network"
)
EXPORT = "derain export -n results/stages/small/seed0/nr/drizzle/slanted -o exported"

# command: (why it is not run as it stands, what is run instead, in the same environment)
INSTEAD = {
    "pip install .": (
        "would hide a script that does not find the library of its clone",
        "pip install --no-deps --target ../library . && diff -r -x __pycache__ scripts/derain ../library/derain"
        " && cd .. && PYTHONPATH=library python -c 'import derain.report.page, derain.data.store'",
    ),
    KILL: ("takes minutes; tests/workflow/test_interruption.py runs its short form", f"{KILL} --help"),
    FILES: ("takes an hour", f"{FILES} --files pixels.bin --damages cut {ONE_STAGE}"),
    PARALLEL: ("takes a minute", f"{PARALLEL} --steps 2 --batch 4 --patch 16 --channels 4"),
    LOADING: ("takes a minute", f"{LOADING} --patch 16 --batch 2 --batches 2"),
    "python benchmarks/instruction_sets.py OUT": (
        "runs three experiments",
        "python benchmarks/instruction_sets.py --run python -V",
    ),
    PUBLISHED: ("needs the published images and weights", f"{PUBLISHED} --help"),
    "snakemake -s CLONE/Snakefile --cores all": (
        "names a clone",
        "mkdir -p ../elsewhere && cd ../elsewhere && snakemake -s ../clone/Snakefile --cores all -n",
    ),
    "derain restore": ("a name in a table", "derain restore --help"),
    "derain restore RAIN -o published -n Rain100H-PReNet6.pth --backbone prenet": (
        "needs the published weights",
        "derain restore --help",
    ),
    "derain restore RAIN -o restored -n WEIGHTS.pth --backbone nafnet --option width=32": (
        "needs such weights",
        "derain restore --help",
    ),
    OF_A_CLASS: ("needs a trained class; tests/restoration tests it", "derain restore --help"),
    "python benchmarks/blended.py": ("trains two networks", "python benchmarks/blended.py --help"),
    "derain export": ("a name in a table", "derain export --help"),
    SEQUENCE: ("needs published images and weights, and hours", f"{SEQUENCE} --help"),
    DECIBELS: ("needs published images and weights", f"{DECIBELS} --help"),
    AS_OLD: ("needs published images and weights", f"{AS_OLD} --help"),
    f"{STUDY}/prepare.py DATA RUN/data": ("needs published images", f"{STUDY}/prepare.py --help"),
    f"snakemake --cores all --directory RUN --configfile {STUDY.split()[1]}/study.yaml": (
        "takes hours",
        f"snakemake --cores all --directory RUN --configfile {STUDY.split()[1]}/study.yaml -n",
    ),
    f"{STUDY}/gate.py RUN": ("needs pairs on disk; tests/test_study.py tests the gate", f"{STUDY}/gate.py --help"),
    f"{STUDY}/judge.py RUN": ("judges the methods of the study, which did not run", f"{STUDY}/judge.py --help"),
    f"{PICTURES} RUN/results/stages/…/theta.safetensors …": ("leaves stages out", f"{PICTURES} {THETA}"),
    "snakemake --cores all -n -s <clone>/Snakefile --workflow-profile <clone>/profiles/slurm": (
        "names a clone, and a profile that needs more",
        'snakemake --cores all -n -s "$PWD/Snakefile" --directory .. --configfile "$PWD/my.yaml"'
        ' --workflow-profile "$PWD/profiles/default"',
    ),
    'podman build -f envs/Containerfile -t derain . && podman run --rm -v "$PWD:$PWD" -w "$PWD" derain --cores all': (
        "needs podman and a registry of images",
        "sed -n 's/^COPY \\(.*\\) .*/\\1/p' envs/Containerfile | xargs ls -d",  # what it copies is there
    ),
    "apptainer build derain.sif envs/derain.def": (
        "needs Apptainer and a registry of images; test_environments.py compares the pins",
        "ls requirements-pins.txt",  # what it copies is there
    ),
    f"{IN_CONTAINER} --sdm apptainer": ("needs Apptainer and an image", f"{IN_CONTAINER} -n"),
}
# The same for commands that need more than requirements.txt, as the documents say: what is run instead, if anything, is
# run in the environment of the tests.
MORE = {
    "pip install -r requirements-test.txt && pytest -n 2": (
        "these tests; the first command of .ci/run, which reads it from the README",
        "pip install --dry-run -r requirements-test.txt && pytest --collect-only tests/test_documents.py",
    ),
    "pip install -r requirements-export.txt": ("installs more", "pip install --dry-run -r requirements-export.txt"),
    EXPORT: ("needs requirements-export.txt", f"{EXPORT} && ls exported/README.md"),
    "python benchmarks/restoring.py PHOTOGRAPHS WEIGHTS": (
        "needs photographs and published weights",
        "python benchmarks/restoring.py --help",
    ),
    "python benchmarks/exported.py DATA": (
        "needs published images and weights",
        "python benchmarks/exported.py --help",
    ),
    "pip install -r requirements-slurm.txt": ("installs more", "pip install --dry-run -r requirements-slurm.txt"),
    f"{SLURM} -n": ("profiles/slurm needs requirements-slurm.txt", f"{SLURM} -n"),
    SLURM: ("needs Slurm; tests/slurm runs it", f"{SLURM} -n"),
    f"{SLURM} --slurm-status-command squeue": ("the same", f"{SLURM} --slurm-status-command squeue -n"),
    f"{SLURM} --slurm-array-jobs importance_shard": ("the same", f"{SLURM} --slurm-array-jobs importance_shard -n"),
    "pip install jupyterlab": ("installs more", "pip install --dry-run jupyterlab"),
    "pip install tensorboard && tensorboard --logdir results": (
        "installs more, and serves without end",
        "pip install --dry-run tensorboard && tensorboard --inspect --logdir results | grep -w scalars",
    ),
    "pytest -m by_hand tests/slurm": ("needs Slurm, and more time", "pytest -m by_hand tests/slurm --collect-only"),
    "pytest -n 2 tests/config": ("run by .ci/run", "pytest tests/config --collect-only"),
    "pytest -n 2 -m slow tests/workflow": ("run by .ci/run", "pytest -m slow tests/workflow --collect-only"),
    "ruff check . && ruff format --check . && mypy": ("run by .ci/run", "ruff --version && mypy --version"),
    "snakefmt --check Snakefile rules": ("run by .ci/run", "snakefmt --check Snakefile rules"),
    "pip install pre-commit && pre-commit install": ("installs more", "pip install --dry-run pre-commit"),
    "pytest -m slow tests/slurm": ("run by .ci/run", "pytest -m slow tests/slurm --collect-only"),
    "apt-get install slurm-wlm munge slurmdbd mariadb-server-core mariadb-client-core": (
        "for root on Debian; .ci/run does it",
        None,
    ),
    "snakemake --cores all -n --sdm conda": ("needs conda; test_environments.py compares the pins", None),
    **{
        f"snakemake --cores all -n {options}": ("needs Apptainer; tests/workflow/test_container.py pretends one", None)
        for options in ("--sdm apptainer", "--sdm apptainer conda", '--apptainer-args "--nv --bind /data"')
    },
    "squeue --me": ("of Slurm", None),
    'sinfo -o "%P %l"': ("of Slurm", None),
    "scontrol show config": ("of Slurm", None),
}


class Command(NamedTuple):
    """A command of a document, with the assignments that stand before it in its block."""

    document: str
    text: str
    assigned: tuple[str, ...] = ()


def _code(document):
    """Pieces of code: of blocks, between blank lines; of the text, those of several words."""
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    if document == NOTEBOOK:
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    own = document == TUTORIAL  # its blocks are run in their order, in a test of their own
    text = FENCED.sub(lambda match: "" if own else textwrap.indent(match[2], "    "), text)
    for part in re.split(r"\n\s*\n", text):
        if all(line.startswith("    ") for line in part.splitlines()):
            yield textwrap.dedent(part).strip("\n").splitlines()
        else:
            spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", part))
            yield from ([span] for span in spans if " " in span)


def _read(document):
    """Commands, and code that is nothing known."""
    commands, unknown = [], []
    for lines in _code(document):
        if lines[0].startswith(SHOWN) or CONFIGURATION.match(lines[0]):
            continue
        assigned = ()
        for line in lines:
            text = re.sub(r"\s+# .*", "", line)
            if text.startswith("-"):  # options of snakemake
                text = f"snakemake --cores all -n {text}"
            if text.split()[0] in PROGRAMS:
                commands.append(Command(document, text, assigned))
            elif ASSIGNMENT.fullmatch(text):
                assigned += (text,)
            else:
                unknown.append(text)
    return commands, unknown


def _commands():
    """Each once, in the order of the documents."""
    found = {}
    for document in DOCUMENTS:
        for command in _read(document)[0]:
            found.setdefault(command.text, command)
    return list(found.values())


MAIN = "pip install -r requirements.txt && snakemake --cores all"
FIRST = next(command for command in _commands() if command.text == MAIN)
OTHERS = [command for command in _commands() if command.text != MAIN]


def test_all_code_of_the_documents_is_known():
    assert not {document: unknown for document in DOCUMENTS if (unknown := _read(document)[1])}


def test_what_is_not_run_is_documented():
    assert not (INSTEAD | MORE).keys() - {command.text for command in OTHERS}


def test_the_first_block_of_the_readme_is_the_command_of_the_main_job():
    assert re.findall(r"(?m)^    (.+)$", (REPOSITORY / "README.md").read_text(encoding="utf-8"))[0] == FIRST.text


# With the names that commands of the documents contain.
SMALL = {
    "device": "cpu",
    "orders": [["drizzle", "slanted"]],
    "datasets": {"drizzle": DATASET, "slanted": DATASET | {"seed": 1}},
    "networks": {"small": {"backbone": "prenet", "stages": 2, "channels": 4, "blocks": 1}},
    "training": {"steps": 4, "batch": 2, "patch": 16, "warmup": 0, "log_every": 2, "tensorboard": True},
    "importances": {"gradient": {"patches": 4}},
    "methods": {
        "finetune": {},
        "nr": {"penalty": {"importance": "gradient", "strength": 1}, "distillation": {"strength": 0.1, "loss": "l1"}},
    },
    "evaluation": {"previews": 1, "theory_patches": 0, "chord": [0.5]},
}


def _copy(folder):
    """The repository as a clone would have it, with small data, and the folders that the documents name."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    (folder / "config.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    own = SMALL | {"stage_store": str(folder.parent / "store")}
    (folder / "my.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")

    rng = np.random.default_rng(0)
    pairs = [
        f"RUN/data/{name}/{split}"
        for name in ("heavy", "medium", "light", "hazy")
        for split in ("train", "validation", "test")
    ]
    for place in (*pairs, "RUN/data/real", "FOLDER"):
        for side in ("rain", "norain"):
            (folder / place / side).mkdir(parents=True)
            for n in range(2):
                noise = rng.integers(256, size=(48, 48, 3), dtype=np.uint8)
                Image.fromarray(noise).save(folder / place / side / f"{n}.png")
    evaluated = FENCED.search((REPOSITORY / EVALUATED).read_text(encoding="utf-8"))
    (folder / "weights.yaml").write_text(evaluated[2], encoding="utf-8")
    torch.save(build("prenet").state_dict(), folder / "WEIGHTS.pth")
    (folder / "DATA").mkdir()
    (folder / "DATA/input").symlink_to("../FOLDER/rain")
    (folder / "DATA/target").symlink_to("../FOLDER/norain")
    (folder / "RAIN").symlink_to("FOLDER/rain")
    (folder / "CLEAN").symlink_to("FOLDER/norain")
    (folder / "RUN/results").symlink_to("../results")


def _run(folder, programs, command, assigned=(), installed=True):
    """The output of a command that has succeeded.

    programs: folder of the environment's. installed: false where the library in it may be another clone's.
    """
    own = Path(sys.executable).parent
    library = {} if installed else {"PYTHONPATH": str(folder / "scripts")}
    path = [str(programs), *(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != own)]
    kept = {n: value for n, value in os.environ.items() if not n.startswith(("PYTHON", "SNAKEMAKE", "VIRTUAL_ENV"))}
    done = subprocess.run(
        ["bash", "-c", "\n".join((*assigned, command))],
        cwd=folder,
        env=kept | {"PATH": os.pathsep.join(path), "XDG_CACHE_HOME": str(folder.parent / "cache")} | library,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy in which the README's first command was run, and the folder of the programs that it installed."""
    folder = tmp_path_factory.mktemp("documents")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    _copy(folder / "clone")
    _run(folder / "clone", folder / "venv/bin", FIRST.text)
    yield folder / "clone", folder / "venv/bin"
    shutil.rmtree(folder / "venv")  # gigabytes, which pytest would keep for its last three runs


@pytest.mark.slow
@pytest.mark.parametrize("command", OTHERS, ids=lambda command: f"{command.document}: {command.text}")
def test_a_documented_command_works(command, clone):
    folder, programs = clone
    if command.text in MORE:
        _, text = MORE[command.text]
        programs = Path(sys.executable).parent
    else:
        _, text = INSTEAD.get(command.text, (None, command.text))
    if text is not None:
        _run(folder, programs, text, command.assigned, installed=command.text not in MORE)


def _merged(config, change):
    """A config with the values of a change; sections that both have are merged key by key."""
    both = {key: _merged(config[key], value) for key, value in change.items() if isinstance(config.get(key), dict)}
    return config | change | both


def _lines(output):
    """Without empty ones, and without what differs between machines: spaces, and the digits of measured numbers."""
    return [re.sub(r"[-+−]?\d+\.\d+", "#", " ".join(line.split())) for line in output.splitlines() if line.strip()]


@pytest.mark.slow
def test_the_tutorial_prints_what_it_shows(clone, tmp_path):
    """Its blocks in their order: a shell's, the changes of its config, and the lines that the last command has printed.

    Its first block installs what the clone of the other tests has installed already.
    """
    _, programs = clone
    _copy(tmp_path / "clone")
    config, output = tmp_path / "clone/first.yaml", ""
    (_, install), *blocks = FENCED.findall((REPOSITORY / TUTORIAL).read_text(encoding="utf-8"))
    assert install.strip() == "pip install -r requirements.txt"
    assert {language for language, _ in blocks} == {"bash", "yaml", "text"}
    for language, block in blocks:
        if language == "bash":
            output = _run(tmp_path / "clone", programs, f"set -e\n{block}", installed=False)
        elif language == "yaml":
            changed = _merged(yaml.safe_load(config.read_text(encoding="utf-8")), yaml.safe_load(block))
            config.write_text(yaml.safe_dump(changed), encoding="utf-8")
        else:
            printed = iter(_lines(output))
            assert not [line for line in _lines(block) if line not in printed], f"{block}\nis not in\n{output}"


def _shown(cell, kind):
    """What a cell of the notebook displays as a MIME type."""
    (data,) = (output["data"][kind] for output in cell.outputs if "data" in output)
    return data


@pytest.mark.slow
def test_the_notebook_shows_the_tables_and_restores_as_the_command(clone, monkeypatch):
    folder, programs = clone
    _run(folder, programs, "snakemake --cores all")  # what commands of the documents may have left out
    monkeypatch.setenv("PYTHONPATH", str(folder / "scripts"))
    notebook = nbformat.read(REPOSITORY / NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    tables, verdict, matrix, chart, rainy, restored = (cell for cell in notebook.cells if cell.cell_type == "code")

    files = sorted((folder / "results/tables").glob("*.csv"))
    assert ast.literal_eval(_shown(tables, "text/plain")) == [file.stem for file in files]
    rows = _rows(folder / "results/tables/verdict.csv")
    assert [line.split()[-3] for line in _shown(verdict, "text/plain").splitlines()[2:]] == [
        str(float(f"{float(row['average']):.2f}")) for row in rows
    ]
    scores = {
        (int(row["stage"]), row["dataset"]): f"{float(row['psnr_y_db']):.2f}"
        for row in _rows(folder / "results/tables/matrix.csv")
        if row["method"] == "nr"
    }
    expected = [[scores[stage, dataset] for dataset in ("drizzle", "slanted")] for stage in (1, 2)]
    shown = [line.split() for line in _shown(matrix, "text/plain").splitlines()]
    assert shown[0] == ["dataset", "drizzle", "slanted"]
    assert [[f"{float(value):.2f}" for value in line[1:]] for line in shown[2:]] == expected
    drawn = re.findall(r"<text[^>]*>(\d+\.\d\d)</text>", _shown(chart, "image/svg+xml"))
    assert sorted(drawn) == sorted(value for line in expected for value in line)

    _picture(rainy).save(folder / "rainy.png")
    stage = "results/stages/small/seed0/nr/drizzle/slanted"
    _run(folder, programs, f"derain restore rainy.png -o of-the-command -n {stage}")
    difference = np.subtract(_picture(restored), Image.open(folder / "of-the-command/rainy.png"), dtype=int)
    assert np.abs(difference).max() <= 1  # roundings to 8 bits, by another number of threads
    assert np.asarray(_picture(restored)).std() > 0 and np.any(np.asarray(_picture(restored)) != _picture(rainy))


def _picture(cell):
    return Image.open(io.BytesIO(base64.b64decode(_shown(cell, "image/png"))))


def _rows(file):
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
