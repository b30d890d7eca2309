"""Which part of the library may know which: contracts on the imports, read from the sources."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest
from derain import PUBLIC
from derain.plan.codedigest import NEUTRAL
from places import REPOSITORY

SCRIPTS = REPOSITORY / "scripts"
# Lowest first; a module imports its own package and what is below.
LAYERS = [
    {"allocator", "errors", "machine", "curriculum"},
    {"files"},
    {"data", "networks"},
    {"method"},
    {"config"},
    {"evaluation"},
    {"plan"},
    {"training", "engine"},
    {"run", "report", "restoration"},
    {"reference", "commands"},
    {"__main__"},
]
HEIGHT = {part: n for n, layer in enumerate(LAYERS) for part in layer}
# Beside neutral modules, what a neutral module may import: nothing in them computes what a job writes.
WITHOUT_NUMBERS = {
    "derain.curriculum",  # names of files
    "derain.files.cache",  # remembers stamps
    "derain.files.digest",  # of what was stored
    "derain.files.origin",  # where θ was made
    "derain.files.regular",  # opens files
    "derain.files.stamp",  # by which a copy is recognised
    "derain.machine",  # where it was made
    "derain.training.tensorboard",  # shows the table
}


def _name(path):
    parts = path.relative_to(SCRIPTS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {_name(path): path for path in sorted((SCRIPTS / "derain").rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def _executed(node, when_called=True):
    """The node and all below it that run, if functions are called: not what is for type checkers alone."""
    yield node
    below = ast.iter_child_nodes(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not when_called:
        below = []
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        below = node.orelse
    for each in below:
        yield from _executed(each, when_called)


def _imports(nodes):
    """All modules that these nodes of a source import: the library's as far as they are files, others by name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole module"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
            inside = [name for name in found if name in FILES]
            yield from inside or [node.module]


IMPORTS = {name: set(_imports(ast.walk(tree))) for name, tree in TREES.items()}  # anywhere in them
FIRST_IMPORTS = {name: set(_imports(_executed(tree, when_called=False))) for name, tree in TREES.items()}
OWN = {name: {each for each in found if each in FILES} for name, found in IMPORTS.items()}


def _loaded(*modules):
    """All that an import of these modules imports, of the library and first packages of others."""
    found, waiting = set(), {*modules}
    while waiting:
        name = waiting.pop()
        found.add(name)
        if name in FILES:
            package = {name.rpartition(".")[0]} - {""}
            waiting |= (FIRST_IMPORTS[name] | package) - found
    return {name if name in FILES else name.partition(".")[0] for name in found}


def _others(*modules):
    """What _loaded has that is neither of the library nor of Python."""
    return {name for name in _loaded(*modules) if name not in FILES} - sys.stdlib_module_names


def _part(module):
    """The package or module below derain; empty for derain itself."""
    return module.partition(".")[2].partition(".")[0]


def _outside(package, *allowed):
    """What the modules of a package import that is neither in it nor allowed, of the library."""
    return {
        (name, each)
        for name in FILES
        if _part(name) == package
        for each in OWN[name]
        if _part(each) not in (package, *allowed) and each not in allowed
    }


def test_all_parts_of_the_library_have_a_layer_and_no_other_has():
    assert {_part(name) for name in FILES} - {""} == set(HEIGHT)
    assert sum(map(len, LAYERS)) == len(HEIGHT)


def test_the_page_of_the_architecture_shows_these_parts_and_layers():
    page = (REPOSITORY / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    _, imports = page.split("## Imports\n")
    diagram = re.search(r"(?m)(^    .+\n)+", imports)[0]
    assert [set(line.strip().split(", ")) for line in diagram.splitlines()] == LAYERS
    tree = re.search(r"(?m)^    scripts/derain/ .+\n((        .+\n)+)", page)[1]
    assert sorted(re.findall(r"(?m)^ {8}(\w+)(?:/|\.py) ", tree)) == sorted(HEIGHT)


@pytest.mark.parametrize("module", sorted(set(FILES) - {"derain"}))
def test_imports_go_down(module):
    part = _part(module)
    up = {each for each in OWN[module] if _part(each) != part and HEIGHT.get(_part(each), -1) >= HEIGHT[part]}
    assert not up


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: {*_imports(_executed(tree))} & FILES.keys() - {name} for name, tree in TREES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_a_method_is_arithmetic_it_opens_no_file():
    # as_tensor: 8-bit pixels as networks see them, the same for a memory as for training patches
    assert _outside("method", "derain.data.patches") == set()
    standard = {"collections", "copy", "dataclasses", "math", "typing", "warnings"}
    for name in FILES:
        if _part(name) == "method":
            others = {each.partition(".")[0] for each in IMPORTS[name]} - {"derain", *standard}
            assert others <= {"torch", "numpy", "scipy"}, name
            source = FILES[name].read_text(encoding="utf-8")
            assert not re.search(
                r"\bopen\(|read_(text|bytes)|write_(text|bytes)|torch\.(load|save)|np\.(load|save)", source
            )


@pytest.mark.parametrize("package", ["data", "networks"])
def test_data_and_networks_know_nothing_of_continual_learning(package):
    assert _outside(package, "errors", "files") == set()


def test_the_report_reads_tables():
    allowed = ("errors", "machine", "curriculum", "files", "data", "evaluation")
    assert _outside("report", *allowed, "derain.plan.charts") == set()
    assert not OWN["derain.plan.charts"]  # a plain list
    torch_too = [name for name in FILES if _part(name) == "report" and "torch" in IMPORTS[name]]
    assert not torch_too


def _of_engine(module):
    return module.startswith("snakemake")  # its plugins, too


def test_every_module_can_be_imported_where_snakemake_is_not_installed():
    assert not {name for name, found in FIRST_IMPORTS.items() if any(map(_of_engine, found))}


def test_importing_the_package_loads_neither_torch_nor_snakemake_nor_charts():
    """What it loads of others is listed: none of these imports Snakemake, charts or pandas."""
    assert _others("derain") == set()
    needed = {"numpy", "PIL", "psutil", "pydantic", "pydantic_core", "safetensors", "torch"}
    assert _others(PUBLIC["load"], PUBLIC["restore"]) == needed


def test_only_the_adapter_knows_the_engine():
    users = {name for name, found in IMPORTS.items() if any(map(_of_engine, found))}
    assert {_part(name) for name in users} == {"engine"}
    scripts = {
        path.name: set(_imports(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))) for path in SCRIPTS.glob("*.py")
    }
    assert scripts and not {name for name, found in scripts.items() if any(map(_of_engine, found))}
    assert _outside("engine", "errors", "files", "derain.config.reading") == set()
    assert _outside("run", "engine", "errors", "files", "curriculum", "derain.method.ingredients") == set()
    assert not OWN["derain.method.ingredients"]  # a plain list
    assert OWN["derain.config.reading"] == {"derain.errors"}  # text, whatever the keys mean


@pytest.mark.parametrize("module", sorted(NEUTRAL))
def test_a_neutral_module_imports_nothing_that_computes(module):
    assert OWN[module] <= NEUTRAL | WITHOUT_NUMBERS
    assert not {each for allowed in WITHOUT_NUMBERS for each in OWN[allowed]} - NEUTRAL - WITHOUT_NUMBERS


def test_neutral_modules_exist():
    assert set(FILES) >= NEUTRAL


def test_the_snakefile_of_a_job_loads_without_torch():
    """A job that needs no network, and every start of the workflow, would wait seconds for it."""
    snakefile = (REPOSITORY / "Snakefile").read_text(encoding="utf-8")
    lines = re.findall(r"^from derain\S* import (?:\([^)]*\)|.+$)", snakefile, re.M)
    assert len(lines) > 10
    check = "\n".join([*lines, "import sys", "sys.exit('torch' in sys.modules)"])
    found = subprocess.run(
        [sys.executable, "-c", check], env={"PYTHONPATH": str(SCRIPTS), "PATH": ""}, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr or "torch is imported"


# Where many jobs, or jobs that everything waits for, would take up to half a second more. Torch loads its compiler
# (torch._dynamo), which takes as long as torch itself, with its own optimisers.
SLOW = {
    "torch": {"gather", "summarise", "figures", "paper_tables", "report", "pack", "check", "accumulate", "adopt"}
    | {"evaluate", "importance"},  # which import it later, if a score is not cached or Ω is given
    "torch._dynamo": {"first", "next", "importance_shard", "theory", "evaluate", "chord", "blend"},
    "pandas": {"first", "next", "importance_shard", "theory", "evaluate", "chord", "pack", "check"},
    "scipy.ndimage": {"first", "next", "importance_shard", "theory", "summarise", "figures", "paper_tables", "report"},
    "scipy.stats": {"summarise", "figures", "paper_tables", "report", "evaluate"},
    "skimage": {"first", "next", "importance_shard", "theory", "summarise", "figures", "paper_tables", "report"},
}
JOBS = sorted(set.union(*SLOW.values()))


@pytest.mark.parametrize("script", JOBS)
def test_a_job_imports_nothing_slow_that_it_does_not_need(script):
    source = (SCRIPTS / f"{script}.py").read_text(encoding="utf-8")
    imports = [ast.unparse(node) for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    slow = [module for module, scripts in SLOW.items() if script in scripts]
    check = "\n".join([*imports, "import sys", f"sys.exit(', '.join({{*{slow}}} & sys.modules.keys()))"])
    found = subprocess.run(
        [sys.executable, "-c", check], env={"PYTHONPATH": str(SCRIPTS), "PATH": ""}, capture_output=True, text=True
    )
    assert not found.stderr.strip()
