from fnmatch import fnmatch
from itertools import permutations
from pkgutil import resolve_name
from types import SimpleNamespace

import pytest
from derain.config import experiment as config
from derain.curriculum import stage
from derain.plan.page import DERIVED, DRAWN, TABLES, PagePlan
from derain.plan.plan import Plan
from entry import Wildcards
from jinja2 import Environment, StrictUndefined
from places import REPOSITORY

RAIN = {"angle": [0, 10], "length": [5, 9], "width": 1, "density": 0.01, "brightness": [0.1, 0.3]}
HOLD = {"importance": "gradient", "strength": 1.0}


def _plan(orders, methods=("finetune",), **sections):
    """methods: sections by name, or names, of which those that begin with nr have a penalty."""
    names = dict.fromkeys(name for order in orders for name in order)
    if not isinstance(methods, dict):
        methods = {name: {"penalty": HOLD} if name.startswith("nr") else {} for name in methods}
    return Plan(
        config.read_experiment(
            {
                "orders": [list(order) for order in orders],
                "datasets": {name: {"layout": "rendered", "rain": RAIN} for name in names},
                "networks": {"net": {"backbone": "prenet"}},
                "importances": {"gradient": {}},
                "methods": methods,
            }
            | sections
        )
    )


def _at(*datasets, method="nr", **more):
    return Wildcards(stage=stage("net", 0, method, datasets).path, **more)


@pytest.mark.parametrize("methods", [("nr",), ("nr", "finetune"), ("nr", "finetune", "nr2")])
def test_all_six_orders_of_three_datasets_by_m_methods_are_3_plus_12_m_stages(methods):
    stages = _plan(list(permutations("abc")), methods).stages
    assert len(stages) == len(set(stages)) == 3 + len(methods) * (6 + 6)


def test_orders_that_share_a_prefix_share_its_stages():
    paths = [stage.path for stage in _plan(["abc", "abd"], ["nr"]).stages]
    below = "net/seed0"
    shared = [f"{below}/first/a", f"{below}/nr/a/b"]
    own = [f"{below}/nr/a/b/c", f"{below}/nr/a/b/d"]
    individual = [f"{below}/first/b", f"{below}/first/c", f"{below}/first/d"]
    assert sorted(paths) == sorted(shared + own + individual)


def test_stages_multiply_by_seeds_and_networks():
    one = _plan(["ab", "ba"], ["nr", "finetune"])
    six = _plan(
        ["ab", "ba"],
        ["nr", "finetune"],
        seeds=[0, 1, 5],
        networks={"net": {"backbone": "prenet"}, "wide": {"backbone": "prenet", "channels": 64}},
    )
    assert len(one.stages) == 2 + 2 * 2
    assert len(six.stages) == 6 * len(one.stages)


def test_joint_is_trained_once_for_orders_of_the_same_datasets():
    paths = [s.path for s in _plan(["ab", "ba", "abc"], joint={"steps_per_dataset": 10}).stages if s.method == "joint"]
    assert paths == ["net/seed0/joint/a+b", "net/seed0/joint/a+b+c"]


def test_every_stage_with_a_past_has_its_predecessor_among_the_stages():
    plan = _plan(["abcd", "dcba"], ["nr", "finetune"])
    files = {each.file("theta.safetensors") for each in plan.stages}
    for each in plan.stages:
        if len(each.datasets) > 1:
            assert plan.theta.inputs(_at(*each.datasets, method=each.method))["theta"] in files


def test_theta_and_omega_come_from_one_directory_up():
    plan, root = _plan(["abc"], ["nr"]), "results/stages/net/seed0"
    second, third = plan.theta.inputs(_at("a", "b")), plan.theta.inputs(_at("a", "b", "c"))
    assert second["theta"] == f"{root}/first/a/theta.safetensors"
    assert second["omega"] == f"{root}/first/a/omega-gradient.safetensors"
    assert third["theta"] == f"{root}/nr/a/b/theta.safetensors"
    assert third["omega"] == f"{root}/nr/a/b/omega.safetensors"
    assert plan.accumulated.inputs(_at("a", "b")) == {
        "past": f"{root}/first/a/omega-gradient.safetensors",
        "new": f"{root}/nr/a/b/omega-gradient.safetensors",
    }


def test_methods_without_a_penalty_that_acts_need_no_omega():
    off = {"penalty": HOLD | {"strength": 0}}
    plan = _plan(["abc"], {"finetune": {}, "off": off})
    for method in ("finetune", "off"):
        assert plan.theta.inputs(_at("a", "b", method=method)).keys() == {"theta", "tables", "pixels"}
        assert plan.theta.recipe(_at("a", "b", method=method))["method"] == {}


def test_the_running_mean_weighs_by_the_datasets_before():
    plan = _plan(["abc"], ["nr"])
    accumulated = plan.accumulated.recipe
    assert accumulated(_at("a", "b"))["datasets"] == 1
    assert accumulated(_at("a", "b", "c"))["datasets"] == 2


def test_a_strength_decides_the_stages_of_its_method_only_and_never_the_first():
    weak, strong = (
        _plan(["ab"], {"nr": {"penalty": HOLD | {"strength": strength}}, "finetune": {}}) for strength in (1, 2)
    )
    assert weak.theta.recipe(_at("a", "b")) != strong.theta.recipe(_at("a", "b"))
    assert weak.theta.recipe(_at("a", "b", method="finetune")) == strong.theta.recipe(_at("a", "b", method="finetune"))
    assert weak.theta.recipe(_at("a")) == strong.theta.recipe(_at("a"))


def test_processes_and_logging_decide_nothing_and_parts_precision_and_a_learning_rate_do():
    def first(**training):
        return _plan(["ab"], ["nr"], training={"parts": 2} | training).theta.recipe(_at("a"))

    talkative = {"log_every": 1, "validate_every": 7, "checkpoint_every": 1, "tensorboard": True}
    assert first() == first(devices=2, workers=2, **talkative)
    for change in ({"parts": 4}, {"precision": "bfloat16"}, {"learning_rate": 0.1}):
        assert first() != first(**change)


def test_joint_trains_for_its_steps_per_dataset_times_the_datasets():
    plan = _plan(["abc"], joint={"steps_per_dataset": 7})
    assert plan.theta.recipe(_at("a", "b", "c", method="joint"))["training"]["steps"] == 21


def test_shards_are_named_by_number_and_count():
    plan = _plan(["ab"], ["nr"], importances={"gradient": {"shards": 3}})
    files = plan.importance.inputs(_at("a", importance="gradient"))["shards"]
    assert len(set(files)) == 3
    assert all(f"shard{n}of3" in file for n, file in enumerate(files))


def test_split_evaluation_is_one_job_a_stage_and_dataset():
    whole, split = (
        _plan(["abc"], ["nr"], evaluation={"split": split}).of_all_stages("scores/{part}.csv")
        for split in (False, True)
    )
    assert len(set(whole)) == len(whole) == 5
    assert len(set(split)) == len(split) == 15


def test_the_page_shows_every_stage_of_every_method_and_joint_at_the_end_of_the_first_orders():
    plan = _plan(["abc", "cba", "bca", "bac"], ["nr", "finetune"], joint={"steps_per_dataset": 1})
    shown = PagePlan(plan).shown
    assert {line["order"] for line in shown} == {"a>b>c", "c>b>a", "b>c>a"}
    assert len(shown) == 3 * (2 * 3 + 1)
    assert [line["learned"] for line in shown if (line["method"], line["order"]) == ("nr", "c>b>a")] == ["c", "b", "a"]
    assert sum(line["final"] for line in shown) == 3 * (2 + 1)
    files = {file for line in shown for file in line["files"]}
    assert files <= set(plan.of_all_stages("previews/{part}.npz"))
    assert len(files) == 3 + 3 * 2 * 2 + 1  # first stages, later ones, joint


def test_an_order_of_one_dataset_has_one_picture_the_individual_network_and_none_of_joint():
    plan = _plan(["a", "b", "ab"], ["nr", "finetune"])
    shown = PagePlan(plan).shown
    finals = [(line["caption"], line["method"], line["order"]) for line in shown if line["final"]]
    alone = [(f"individual {name}", "individual", name) for name in "ab"]
    assert finals == [*alone, ("nr", "nr", "a>b"), ("finetune", "finetune", "a>b")]
    assert [line["of"]["method"] for line in shown[:2]] == ["first", "first"]


def test_importance_is_told_of_every_stage_whose_own_omega_a_later_stage_needs():
    page = PagePlan(_plan(["abc"], {"nr": {"penalty": HOLD}, "finetune": {}}))
    for table in ("omega-layers", "omega-distribution", "omega-overlap"):
        assert page.files_of(table) == [
            "results/stages/net/seed0/first/a/omega-gradient.safetensors",
            "results/stages/net/seed0/nr/a/b/omega-gradient.safetensors",
        ]
        assert [stage["importance"] for stage in page.stages_of(table)] == ["gradient", "gradient"]
    assert PagePlan(_plan(["abc"], {"finetune": {}})).tables.keys() == {"training", "moves"}


def test_a_move_is_between_a_stage_and_the_one_before_it():
    page = PagePlan(_plan(["abc"], {"finetune": {}}))
    stages = ["first/a", "finetune/a/b", "finetune/a/b", "finetune/a/b/c"]
    assert page.files_of("moves") == [f"results/stages/net/seed0/{stage}/theta.safetensors" for stage in stages]
    assert [stage["datasets"] for stage in page.stages_of("moves")] == [["a", "b"], ["a", "b", "c"]]


def test_every_table_has_a_function_and_a_caption():
    captions = (REPOSITORY / "docs/captions/gather.rst").read_text(encoding="utf-8")
    for table in TABLES:
        assert callable(resolve_name(table.make))
        of_table = SimpleNamespace(wildcards=SimpleNamespace(table=table.name))
        text = Environment(undefined=StrictUndefined, autoescape=True).from_string(captions).render(snakemake=of_table)
        assert len(text.strip()) > 30


@pytest.mark.parametrize("name", [None, "first.try"])
def test_all_that_is_derived_stands_in_the_folder_of_the_experiment_and_is_known_as_derived(name):
    search = {"penalty": HOLD, "search": {}}
    page = PagePlan(_plan(["abc"], {"nr": search}, name=name, evaluation={"theory_patches": 1}))
    assert page.folder == ("results/first.try" if name else "results")
    tables = {f"tables/{table}.csv" for table in (*page.tables, "matrix", "continual", "summary", "scores", "cost")}
    paper = {f"tables/{each}" for each in ("verdict.csv", "verdict.tex", "orders.tex", "matrix.tex")}
    figures = {f"figures/{each}.{kind}" for each in _figures(page) for kind in ("svg", "pdf")}
    assert {file.removeprefix(f"{page.folder}/") for file in page.derived} == tables | paper | figures
    for file in tables | paper | figures:
        assert any(fnmatch(file, pattern) for pattern in DERIVED)
        assert any(fnmatch(file, pattern) for pattern in DRAWN) == (file not in tables)


def test_a_name_decides_no_stage_and_no_score():
    plain, named = _plan(["ab"], ["nr"]), _plan(["ab"], ["nr"], name="other")
    assert [made.key for made in plain.made.values()] == [made.key for made in named.made.values()]
    at = Wildcards(stage=plain.stages[0].path, part="all")
    assert plain.scores.recipe(at) == named.scores.recipe(at)


def test_figures_are_those_of_each_network_and_order():
    page = PagePlan(_plan(["ab"], {"nr": {"penalty": HOLD}}))
    kinds = ["matrix", "curves", "training", "moves", "omega-layers", "omega-distribution"]
    assert _figures(page) == {"orders-net", *(f"{kind}-net-1" for kind in kinds)}
    assert "omega-overlap-net-1" in _figures(PagePlan(_plan(["abc"], {"nr": {"penalty": HOLD}})))
    assert PagePlan(_plan(["a"], {"finetune": {}})).figures == []


def test_an_order_has_the_figures_for_which_it_is_long_enough_under_its_number_in_the_config():
    names = _figures(PagePlan(_plan(["a", "abc", "ba"], {"nr": {"penalty": HOLD}})))
    assert {"matrix-net-2", "matrix-net-3", "omega-overlap-net-2", "omega-layers-net-3"} <= names
    assert not {"matrix-net-1", "omega-overlap-net-3"} & names


def _figures(page):
    return {figure["name"] for figure in page.figures}


# --- blends


def test_a_share_decides_the_blend_and_what_descends_from_it_and_no_training_of_its_stage():
    def made(blend, method="mixed"):
        plan = _plan(["abc"], {"mixed": {"blend": blend}, "finetune": {}})
        keys = {file.removeprefix("results/"): artifact.key for file, artifact in plan.made.items()}
        return {file: key for file, key in keys.items() if method in file}

    half, third, chosen = made({"alpha": 0.5}), made({"alpha": 0.3}), made({})
    stage, trained = "stages/net/seed0/mixed/a/b", "search/net/seed0/mixed/a/b"
    for other in (third, chosen):
        assert half.keys() == other.keys()
        same = {file for file in half if half[file] == other[file]}
        assert same == {f"{trained}/scale-1/theta.safetensors"}
    assert {f"{stage}/theta.safetensors", f"{stage}/c/theta.safetensors"} < half.keys()
    assert made({"alpha": 0.5}, "finetune") == made({}, "finetune")


def test_a_blended_stage_is_made_from_its_training_and_both_start_from_the_blend_before():
    plan, root = _plan(["abc"], {"mixed": {"blend": {"alpha": 0.5}}}), "results/stages/net/seed0"
    at = _at("a", "b", "c", method="mixed")
    trained = "results/search/net/seed0/mixed/a/b/c/scale-1"
    assert plan.blend_inputs(at) == {
        "theta": f"{root}/mixed/a/b/theta.safetensors",
        "trained": f"{trained}/theta.safetensors",
        "training": f"{trained}/training.csv",
        "tables": ["results/datasets/c/training/pairs.csv"],
        "pixels": ["results/datasets/c/training/pixels.bin"],
    }
    candidate = plan.candidate.planned(_at("a", "b", "c", method="mixed", scale="1"))
    assert candidate.inputs["theta"] == f"{root}/mixed/a/b/theta.safetensors"
    assert candidate.recipe == plan.made[f"{trained}/theta.safetensors"].recipe
    plain = _plan(["ab"], {"mixed": {}}).theta.recipe(_at("a", "b", method="mixed"))
    assert plan.candidate.recipe(_at("a", "b", method="mixed", scale="1")) == plain
    assert plan.made_by("next") == []


# --- chords


def test_without_a_chord_there_is_no_job_of_it_and_every_key_stays():
    plain, chord = (_plan(["abc"], ["finetune", "nr"], evaluation=each) for each in ({}, {"chord": [0.5]}))
    assert plain.chorded == []
    assert "chord" not in PagePlan(plain).tables
    assert {file: made.key for file, made in plain.made.items()} == {f: made.key for f, made in chord.made.items()}


def test_a_chord_is_a_job_for_each_alpha_and_stage_of_fine_tuning_or_of_every_method_on_the_datasets_learned():
    root = "results/stages/net/seed0/finetune"
    plan = _plan(["abc"], ["nr", "finetune"], evaluation={"chord": [0.5, 0.1 + 0.2]})
    files = [each.file(blend.file) for each in plan.chorded for blend in plan.blends]
    alphas = ("alpha-0.5.csv", "alpha-0.30000000000000004.csv")
    assert files == [f"{root}/{stage}/chord/{alpha}" for stage in ("a/b", "a/b/c") for alpha in alphas]
    at = _at("a", "b", "c", method="finetune", alpha="0.30000000000000004")
    assert plan.chord.inputs(at) == {
        "thetas": [f"{root}/a/b/theta.safetensors", f"{root}/a/b/c/theta.safetensors"],
        "omegas": [],
        "tables": [f"results/datasets/{name}/test/pairs.csv" for name in "abc"],
        "pixels": [f"results/datasets/{name}/test/pixels.bin" for name in "abc"],
    }
    assert plan.chord.recipe(at)["alpha"] == 0.1 + 0.2
    assert plan.chord.recipe(at)["at_once"] == 1
    every = _plan(["abc"], ["nr", "finetune"], evaluation={"chord": [0.5], "chord_of": "all"})
    assert {each.method for each in every.chorded} == {"nr", "finetune"}
    sources = [stage for stage in PagePlan(every).stages_of("chord") if stage["line"]]
    assert {stage["method"] for stage in sources} == {"finetune"}
    assert [len(PagePlan(every).files_of("chord"))] == [4 * 3]


def test_a_weighted_chord_needs_the_omega_of_each_dataset_of_its_path_and_has_them_made():
    plan = _plan(["abc"], ["nr", "finetune"], evaluation={"chord": [0.5], "chord_importance": "gradient"})
    at = _at("a", "b", "c", method="finetune", alpha="0.5", importance="gradient")
    names = ["first/a", "finetune/a/b", "finetune/a/b/c"]
    assert plan.chord.inputs(at)["omegas"] == [
        f"results/stages/net/seed0/{stage}/omega-gradient.safetensors" for stage in names
    ]
    assert {*plan.chord.inputs(at)["omegas"]} < plan.made.keys()
    assert len(plan.recipes(plan.chord.inputs(at)["omegas"])) == 3
    assert "results/stages/net/seed0/finetune/a/b/c/chord/omega-gradient-alpha-0.5.csv" in [
        each.file(blend.file) for each in plan.chorded for blend in plan.blends
    ]


def test_the_line_to_beat_is_that_of_the_first_method_that_adds_nothing():
    off = {"penalty": HOLD | {"strength": 0}}
    plan = _plan(["ab"], {"nr": {"penalty": HOLD}, "off": off, "finetune": {}}, evaluation={"chord": [0.5]})
    assert {each.method for each in plan.chorded} == {"off"}


# --- photographs


def _restoring(orders, **section):
    networks = {
        "net": {"backbone": "prenet"},
        "unet": {"backbone": "nafnet"},
        "published": {"backbone": "prenet", "initial_weights": __file__, "evaluate_only": True},
    }
    photographs = {"files": ["x"]} | section
    return _plan(orders, ["finetune", "nr"], seeds=[3, 4], networks=networks, photographs=photographs)


def test_photographs_are_restored_by_the_last_stages_of_methods_and_by_given_networks():
    found = [stage.path for stage in _restoring(["ab", "ba", "abc"]).restoring]
    last = ["finetune/a/b", "finetune/b/a", "finetune/a/b/c", "nr/a/b", "nr/b/a", "nr/a/b/c"]
    trained = [f"{network}/seed3/{stage}" for network in ("net", "unet") for stage in last]
    assert found == ["published/seed0/given", *trained]
    chosen = [stage.path for stage in _restoring(["ab"], methods=["nr"]).restoring]
    assert chosen == ["published/seed0/given", "net/seed3/nr/a/b", "unet/seed3/nr/a/b"]
    assert [stage.path for stage in _restoring(["a"]).restoring][1:] == ["net/seed3/first/a", "unet/seed3/first/a"]
    assert _plan(["ab"]).restoring == []
    assert set(_restoring(["ab", "ba"]).thetas) >= {
        stage.file("theta.safetensors") for stage in _restoring(["ab", "ba"]).restoring
    }


def test_the_limit_of_memory_decides_photographs_only_where_tiles_do():
    def recipe(network, **section):
        return _restoring(["ab"], **section).restoration.recipe(Wildcards(stage=f"{network}/seed3/nr/a/b"))

    assert recipe("net") == recipe("net", memory=1)
    assert recipe("unet") != recipe("unet", memory=1)


@pytest.mark.parametrize("name", [None, "first.try"])
def test_pages_of_photographs_stand_in_the_folder_of_the_experiment_and_in_no_folder_of_another_stage(name):
    plan = _plan(["ab", "abc"], ["nr"], name=name, photographs={"files": ["x"]})
    page = PagePlan(plan)
    pages = [f"photographs/net/seed0/nr/{past}/restored/compare/index.html" for past in ("a/b", "a/b/c")]
    assert page.comparisons == [f"{page.folder}/{each}" for each in pages]
    assert [each["page"] for each in page.content["photographs"]] == pages
