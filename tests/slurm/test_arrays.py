"""Short jobs of one rule as an array of Slurm, as docs/how-to/slurm.md says."""

import re

import pytest
import yaml
from commandline import snakemake
from test_slurm import EXPERIMENT, OMEGA, PROFILE, WITHOUT_ACCOUNTING

pytestmark = pytest.mark.slow


def test_the_shards_of_an_importance_run_as_one_array_and_give_the_bytes_of_a_local_run(
    cluster_without_accounting, tmp_path
):
    config = EXPERIMENT | {"importances": {"gradient": {"patches": 4, "shards": 3}}}
    config["training"] = EXPERIMENT["training"] | {"steps": 4}
    written = yaml.safe_load((PROFILE / "config.yaml").read_text(encoding="utf-8"))
    del written["groups"]["importance_shard"]
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/config.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    options = (*WITHOUT_ACCOUNTING, "--retries", "0", "--slurm-array-jobs", "importance_shard")

    run = snakemake(tmp_path / "run", config, OMEGA, *options, profile=tmp_path / "profile")

    printed = run.stdout + run.stderr
    assert run.returncode == 0, printed
    local = snakemake(tmp_path / "local", config, OMEGA)
    assert local.returncode == 0, local.stderr
    assert (tmp_path / "run" / OMEGA).read_bytes() == (tmp_path / "local" / OMEGA).read_bytes()
    assert len(re.findall(r"Submitted array job with Snakemake IDs \d+,\d+,\d+ and SLURM job ID \d+", printed)) == 1
