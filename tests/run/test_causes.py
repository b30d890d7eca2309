import copy

import pytest
from derain.engine.dag import Job, Reason
from derain.run.causes import cause_lines, param_changes
from derain.run.replaced import another_experiment, replaced_networks

KEYS = {"network": "networks.small", "method": "methods.nr", "rounding": "evaluation.rounding"}
SPEC = {
    "network": {"backbone": "prenet", "channels": 4},
    "training": {"steps": 2, "loss": "l1"},
    "datasets": {"a": "1", "b": "2"},
    "code": {"next": "1", "derain.method.losses": "1", "derain.method.penalty": "1"},
    "method": {"penalty": {"strength": 1.0, "form": "squared"}},
}


def changed(*changes):
    """The phrases for a recipe that differs from SPEC: (section/key, value)."""
    recipe = copy.deepcopy(SPEC)
    for path, value in changes:
        *sections, key = path.split("/")
        section = recipe
        for name in sections:
            section = section[name]
        section[key] = value
    return param_changes([SPEC], {"recipe": recipe}, KEYS)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (("method/penalty/strength", 2.0), "methods.nr.penalty.strength: 1.0 → 2.0"),
        (("training/loss", "mse"), "training.loss: l1 → mse"),
        (("network/channels", 8), "networks.small.channels: 4 → 8"),
        (("network/blocks", 8), "networks.small.blocks: none → 8"),
        (("datasets/b", "3"), "dataset b has other pairs"),
        (("datasets/c", "3"), "dataset c joined"),
        (("code/derain.method.losses", "2"), "code of derain.method.losses"),
        (("code/derain.method.accumulation", "2"), "code of derain.method.accumulation"),
    ],
)
def test_a_change_is_named_by_the_key_the_dataset_or_the_module(change, phrase):
    assert changed(change) == [phrase]


def test_all_changes_are_listed_and_modules_as_one():
    found = changed(
        ("training/steps", 3),
        ("code/next", "2"),
        ("code/derain.method.losses", "2"),
        ("code/derain.method.accumulation", "1"),
    )
    assert found == ["training.steps: 2 → 3", "code of next, derain.method.losses"]


def test_a_removed_section_is_listed_without_the_module_that_went_with_it():
    code = {key: value for key, value in SPEC["code"].items() if key != "derain.method.penalty"}
    now = SPEC | {"method": {}, "code": code}
    assert param_changes([SPEC], {"recipe": now}, KEYS) == [
        "methods.nr.penalty: {'strength': 1.0, 'form': 'squared'} → none"
    ]


def test_old_values_without_names_are_matched_by_their_content():
    before = {"rounding": ["nearest"], "methods": ["nr", "finetune"], "code": {"summarise": "1"}, "give_up": 0.1}
    now = {"code": {"summarise": "2"}, "methods": ["nr", "finetune", "lwf"], "rounding": ["nearest", "none"],
           "give_up": 0.2}  # fmt: skip
    found = param_changes(before.values(), now, KEYS)
    assert found == [
        "methods: +lwf", "evaluation.rounding: +none", "give_up: 0.1 → 0.2", "code of summarise"
    ]  # fmt: skip


def test_datasets_are_named_with_their_digests_or_without():
    assert param_changes([["a", "b"]], {"datasets": ["a", "b", "e"]}, KEYS) == ["datasets: +e"]
    assert param_changes([{"a": "1"}], {"datasets": {"a": "1", "e": "2"}}, KEYS) == ["dataset e joined"]


def test_stages_are_named_by_method_and_datasets():
    place = {"network": "net", "seed": 0, "method": "nr", "datasets": ["a"]}
    assert param_changes([[place]], {"stages": [place, place | {"datasets": ["a", "b"]}]}, {}) == ["stages: +nr/a/b"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (["gradient"], ["fisher"], "−first/a, +first/a (importance: −gradient, +fisher)"),
        (["gradient"], ["gradient", "fisher"], "+first/a (importance: +fisher)"),
        (["gradient", "fisher"], ["fisher", "gradient"], "order"),
        (["1", "2"], ["3", "4"], "4 differ (importance: −1, −2, +3, +4)"),
    ],
)
def test_stages_of_one_name_are_told_apart_by_what_differs(old, new, said):
    """As Ω of another kind, of the same stage."""
    place = {"network": "net", "seed": 0, "method": "first", "datasets": ["a"]}
    before, now = ([place | {"importance": kind} for kind in kinds] for kinds in (old, new))
    assert param_changes([before], {"stages": now}, {}) == [f"stages: {said}"]


def test_what_follows_from_other_stages_is_said_once_and_without_the_names_of_params():
    old, new = (["results/benchmarks/next/a.tsv"], ["results/benchmarks/next/a.tsv", "results/benchmarks/next/b.tsv"])
    assert param_changes([{"next": old}], {"files": {"next": new}}, {}) == ["it is made from other stages"]
    before = {"shown": [{"method": "nr"}], "titles": {}, "rounding": "nearest"}
    now = before | {"shown": [{"method": "nr"}, {"method": "lwf"}], "titles": {"distillation": "distillation"}}
    assert param_changes([before], {"plan": now}, KEYS) == ["it is made from other stages"]
    assert param_changes([before], {"plan": now | {"rounding": "none"}}, KEYS) == [
        "evaluation.rounding: nearest → none"
    ]
    assert param_changes([{"page.css": "1"}], {"look": {"page.css": "2"}}, {}) == ["code of page.css"]


JOB = Job(
    "next",
    ("results/stages/net/seed0/nr/a/b/theta.safetensors", "results/stages/net/seed0/nr/a/b/training.csv"),
    log="",
    needed=True,
    wildcards={"stage": "net/seed0/nr/a/b"},
)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (Reason(()), "it was never made here"),
        (Reason((), forced=True, missing=JOB.outputs), "you ask for it (-f, -F, -R); it was never made here"),
        (Reason(JOB.outputs[:1]), "files are missing"),
        (Reason(JOB.outputs, missing=JOB.outputs[:1]), "files are missing"),
        (Reason(JOB.outputs, missing=JOB.outputs, inputs_changed=True), "files are missing"),
        (Reason((), missing=JOB.outputs, begun=True), "it was begun and not finished"),
        (
            Reason(
                JOB.outputs,
                old_params=(SPEC,),
                new_params={"recipe": SPEC | {"method": {"penalty": {"strength": 2.0, "form": "squared"}}}},
            ),
            "methods.nr.penalty.strength: 1.0 → 2.0",
        ),
        (
            Reason(
                JOB.outputs,
                old_params=({"network": {"channels": 4}},),
                new_params={"recipe": {"network": {"channels": 8}}},
                inputs_changed=True,
            ),
            "networks.net.channels: 4 → 8",
        ),
        (Reason(JOB.outputs, inputs_changed=True), "it is made from other files"),
        (Reason(JOB.outputs, environment_changed=True), "another software environment"),
        (Reason(JOB.outputs, newer_inputs=("a", "b")), "newer input a, b"),
        (Reason(JOB.outputs), "their inputs are made again"),
    ],
)
def test_a_reason_in_words(reason, cause):
    assert cause_lines([(JOB, reason)]) == [
        f"because {cause}:",
        "    next (1): stages/net/seed0/nr/a/b/theta.safetensors",
        "1 jobs would run",
    ]


def test_jobs_are_listed_by_cause_and_those_that_follow_from_others_last():
    scores = [Job("evaluate", (f"results/{n}.csv",), "", needed=True) for n in range(8)]
    follow = [(job, Reason(job.outputs)) for job in scores]
    assert cause_lines([*follow, (JOB, Reason(()))]) == [
        "because it was never made here:",
        "    next (1): stages/net/seed0/nr/a/b/theta.safetensors",
        "because their inputs are made again:",
        "    evaluate (8): 0.csv, 1.csv, 2.csv, 3.csv, 4.csv, 5.csv and 2 more",
        "9 jobs would run",
    ]
    assert cause_lines([]) == ["nothing would run: every file is up to date"]


def _experiment(*orders, network="net"):
    return {"orders": orders, "networks": {network: {}}}


CHANGED = (
    Job("report", ("results/report.html",), "", True),
    Reason(("results/report.html",), (), old_params=(["a"],), new_params={"datasets": ["c"]}),
)
NEW = (Job("first", ("results/stages/x/theta.safetensors",), "", True), Reason(()))
FOLLOWS = (Job("figures", ("results/figures/a.svg",), "", True), Reason(("results/figures/a.svg",)))


@pytest.mark.parametrize(
    ("reasons", "last", "said"),
    [
        ([CHANGED, FOLLOWS], _experiment(["c", "d"]), True),
        ([CHANGED], _experiment(["a", "b"], network="other"), True),
        ([CHANGED], _experiment(["a", "b"], ["c", "d"]), False),  # an order more: the experiment was edited
        ([CHANGED, NEW], _experiment(["c", "d"]), False),  # this experiment was never run to its end
        ([FOLLOWS], _experiment(["c", "d"]), False),
        ([], _experiment(["c", "d"]), False),
        ([CHANGED], None, False),  # no run
    ],
)
def test_another_experiment_in_the_folder_is_named_where_it_is_the_cause(reasons, last, said):
    line = another_experiment(reasons, last, _experiment(["a", "b"]))
    assert bool(line) == said
    if said:
        assert line.startswith("another experiment was run in this folder (orders: ")
        assert line.count("→") == 1


def test_a_name_is_not_recommended_to_experiments_that_have_names():
    last = _experiment(["c", "d"]) | {"name": "one"}
    for name, said in (("two", False), ("one", True), ("", True)):
        line = another_experiment([CHANGED], last, _experiment(["a", "b"]) | {"name": name})
        assert ("A `name:` in each config" in line) == said
        assert line.endswith("need other names as well, or the experiment another folder")


AGAIN = Reason(JOB.outputs, old_params=(SPEC,), new_params={"recipe": SPEC})


@pytest.mark.parametrize(
    ("last", "reason", "said"),
    [
        ({"name": "one"}, AGAIN, "the experiment one,"),
        ({}, AGAIN, "the experiment without a name,"),
        ({"name": "two"}, AGAIN, ""),  # this experiment
        ({"name": "one", "methods": {"lwf": {}}}, AGAIN, ""),  # it has no such network
        ({"name": "one"}, Reason(()), ""),  # nothing there to replace
        (None, AGAIN, ""),
    ],
)
def test_networks_of_an_experiment_with_another_name_that_would_be_replaced_are_named(last, reason, said):
    whole = {"networks": {"net": {}}, "methods": {"nr": {}}, "datasets": {"a": {}, "b": {}}}
    other = None if last is None else whole | last
    line = replaced_networks(lambda: [(JOB, reason)], other, {"name": "two"})
    assert bool(line) == bool(said)
    if said:
        assert line.startswith(f"the last run here was of {said}")
        assert "replaces 1 (net/seed0/nr/a/b)" in line
