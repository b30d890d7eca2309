"""What derain.engine uses of Snakemake beyond its documentation, a test in this folder for each part.

After an upgrade of Snakemake: run these tests, mend derain.engine where one fails, then change its VERSION.
"""

import subprocess
import sys

import snakemake
from derain import engine
from places import REPOSITORY


def test_the_version_is_the_one_that_the_adapter_was_written_for():
    assert snakemake.__version__ == engine.VERSION, __doc__


def test_nothing_else_in_the_library_and_its_scripts_imports_snakemake():
    sources = {path: path.read_text(encoding="utf-8") for path in (REPOSITORY / "scripts").rglob("*.py")}
    users = {path.parent for path, text in sources.items() if "import snakemake" in text or "from snakemake" in text}
    assert users == {REPOSITORY / "scripts/derain/engine"}


def test_every_module_can_be_imported_where_snakemake_is_not_installed():
    library = (path.relative_to(REPOSITORY / "scripts") for path in (REPOSITORY / "scripts/derain").rglob("*.py"))
    modules = sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in library)
    code = f"""
import sys
from importlib import import_module

sys.modules["snakemake"] = None  # as where it is not installed
for name in {modules}:
    import_module(name)
print("all")
"""
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY / "scripts", capture_output=True, text=True)
    assert (loaded.stdout, loaded.stderr) == ("all\n", "")
