"""Records of jobs as a reader beside a run sees them."""

import os

from derain.engine.recorded import Records
from derain.files.digest import file_digest
from places import REPOSITORY
from workflows import run

RECORDED = f"""
import sys
sys.path.insert(0, {str(REPOSITORY / "scripts")!r})
from derain.engine.outputs import check_outputs
if workflow.is_main_process:
    check_outputs()

rule theta:
    output: "theta.safetensors"
    shell: "echo a > {{output}}"

rule scores:
    input: "theta.safetensors"
    output: "scores.csv"
    params: recipe=dict(steps=2), other="x"
    shell: "cp {{input}} {{output}}"
"""


def test_a_record_tells_params_and_files_that_were_replaced_since(tmp_path):
    (tmp_path / "Snakefile").write_text(RECORDED)
    assert run(tmp_path, "--", "scores.csv").returncode == 0
    assert Records(tmp_path).made("scores.csv", {"steps": 2}, "x")
    assert not Records(tmp_path).made("scores.csv", {"steps": 3})
    assert not Records(tmp_path).made("none.csv")
    assert Records(tmp_path).made_from("scores.csv") == {"theta.safetensors"}
    assert sorted(map(str, Records(tmp_path).params("scores.csv"))) == ["x", "{'steps': 2}"]
    digest = file_digest(tmp_path / "theta.safetensors")
    assert Records(tmp_path).used("scores.csv") == {"theta.safetensors": digest}
    assert (Records(tmp_path).digest("theta.safetensors"), Records(tmp_path).digest("none.csv")) == (digest, None)
    assert Records(tmp_path).ended("scores.csv") >= Records(tmp_path).ended("theta.safetensors") > 1e9
    assert (Records(tmp_path).params("none.csv"), Records(tmp_path).ended("none.csv")) == ([], 0)
    os.utime(tmp_path / "theta.safetensors")
    assert Records(tmp_path).made_from("scores.csv") == {"theta.safetensors"}
    (tmp_path / "theta.safetensors").write_text("another\n")
    assert Records(tmp_path).made_from("scores.csv") is None
    assert not Records(tmp_path / "nowhere").made("scores.csv")
