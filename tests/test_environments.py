import re
import tomllib

import pytest
import yaml
from places import REPOSITORY

CONDA_NAME = {"torch": "pytorch"}
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [line.rpartition(" ")[2] for line in PROJECT["classifiers"]]


def test_the_readme_promises_the_declared_pythons():
    *others, last = PYTHONS
    assert f"With Python {', '.join(others)} or {last} and pip" in (REPOSITORY / "README.md").read_text(
        encoding="utf-8"
    )
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


@pytest.mark.parametrize("name", ["Containerfile", "derain.def"])
def test_the_images_have_a_declared_python(name):
    image = re.search(r"(?im)^FROM:? \S+/python:([\d.]+)-", (REPOSITORY / "envs" / name).read_text(encoding="utf-8"))
    assert image[1] in PYTHONS


def test_the_image_of_apptainer_has_the_pins_and_not_the_library():
    """Another derain than the clone's would end every job."""
    definition = (REPOSITORY / "envs/derain.def").read_text(encoding="utf-8")
    lines = [line.strip() for line in definition.partition("%files")[2].splitlines() if line.strip()]
    file = "/opt/requirements-pins.txt"
    assert lines == [f"requirements-pins.txt {file}", "%post", f"pip install --no-cache-dir -r {file}"]


def test_every_rule_that_runs_a_script_has_a_conda_environment():
    """Rules that are made from another take its environment."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in (REPOSITORY / "rules").glob("*.smk"))
    rules = [rule.partition("\nuse rule ")[0] for rule in re.split(r"(?m)^rule ", text)[1:]]
    running = [rule for rule in rules if "\n    script:" in rule]
    assert len(running) >= 22
    assert not [rule.partition(":")[0] for rule in running if "\n    conda:" not in rule]


def _requirements(name):
    lines = (line.partition("#")[0].strip() for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines())
    pinned = [re.fullmatch(r"([\w-]+)==([\w.]+)", line) for line in lines if line and not line.startswith("-")]
    assert all(pinned), "every requirement is pinned to one version"
    return {match[1]: match[2] for match in pinned}


def _environment(kind):
    packages = yaml.safe_load((REPOSITORY / f"envs/{kind}.yaml").read_text(encoding="utf-8"))["dependencies"]
    return {name: version for name, version, *_ in (package.split("=") for package in packages)}


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_conda_and_pip_pin_the_same_versions(kind):
    conda = _environment(kind)
    assert conda.pop("python") in PYTHONS
    assert conda == {CONDA_NAME.get(name, name): v for name, v in _requirements("requirements-pins.txt").items()}


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_each_kind_of_machine_has_its_build_of_torch(kind):
    assert f"=*{kind}*" in (REPOSITORY / f"envs/{kind}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["requirements-test.txt", "requirements-slurm.txt", "requirements-export.txt"])
def test_other_requirements_build_on_those_of_the_clone_and_pin(name):
    assert "-r requirements.txt" in (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    assert not _requirements(name).keys() & _requirements("requirements-pins.txt").keys()


def test_the_requirements_install_the_clone_with_its_pins():
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-e ."]
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements-pins.txt"]}
    assert [re.match(r"\w+", each)[0] for each in settings["build-system"]["requires"]] == ["setuptools"]


def test_profiles_are_in_ascii():
    """Snakemake decodes them as the locale does."""
    for profile in (REPOSITORY / "profiles").rglob("*.yaml"):
        assert profile.read_bytes().isascii(), profile


def test_every_profile_repeats_what_the_default_one_says():
    """One that is named on the command line replaces it, without merging."""
    default, *others = (
        yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
        for path in sorted((REPOSITORY / "profiles").iterdir(), key=lambda path: path.name != "default")
    )
    assert default["rerun-triggers"] == ["mtime", "input", "params", "software-env"]
    for profile in others:
        assert {key: profile.get(key) for key in default} == default
