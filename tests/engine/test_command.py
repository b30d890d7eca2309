"""What a command line of Snakemake has asked for."""

import json

import pytest
from derain.engine.command import merge_configs
from derain.errors import UserError
from workflows import run

pytestmark = pytest.mark.xdist_group("engine")  # one worker makes what its tests share


def test_configs_are_merged_as_the_engine_does():
    """Section by section; the workflow itself is compared in tests/commands."""
    merged = merge_configs([{"one": {"b": 1, "c": [1, 2]}}, {"one": {"c": [3]}}], ["one={d: 4}", "two="])
    assert merged == {"one": {"b": 1, "c": [3], "d": "4"}, "two": None}
    with pytest.raises(UserError, match=r"^--config: Invalid config definition"):
        merge_configs([{}], ["one"])


@pytest.mark.parametrize(
    ("options", "looks"),
    [
        (["-n"], True),
        (["--rulegr"], True),  # an option cut short
        (["--touch"], False),
        (["--forceall"], False),
        *(
            pytest.param(options, looks, marks=pytest.mark.slow)
            for options, looks in (
                (["--summary"], True),
                (["-D"], True),
                (["--dag"], True),
                (["--list-rules"], True),
                (["--lint"], True),
                (["--report", "report.zip"], True),
                (["--unlock"], False),
                (["--delete-all-output"], False),
            )
        ),
    ],
)
def test_what_only_looks_is_known_when_the_workflow_is_read(options, looks, looked):
    run(looked, *options)
    assert json.loads((looked / "looks.json").read_text().splitlines()[-1]) is looks
