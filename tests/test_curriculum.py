import pytest
from derain.curriculum import FIRST, JOINT, RESERVED, Stage, predecessor, prefixes, stage


def test_paths_say_which_datasets_in_which_order():
    assert stage("net", 0, "nr", ("b", "a")).path == "net/seed0/nr/b/a"
    assert stage("net", 12, "nr", ("b", "a", "c")).path == "net/seed12/nr/b/a/c"


def test_the_first_stage_is_the_same_for_every_method():
    assert {stage("net", 0, method, ("a",)).path for method in ("nr", "finetune", JOINT)} == {"net/seed0/first/a"}


def test_joint_stages_are_keyed_by_the_set_of_datasets():
    assert stage("net", 0, JOINT, ("b", "a")) == stage("net", 0, JOINT, ("a", "b"))
    assert stage("net", 0, JOINT, ("b", "a")).path == "net/seed0/joint/a+b"


def test_the_predecessor_is_one_directory_up_until_the_shared_first_stage():
    third = stage("net", 1, "nr", ("a", "b", "c"))
    second = predecessor(third)
    assert second.path == "net/seed1/nr/a/b" == third.path.rpartition("/")[0]
    assert predecessor(second) == Stage("net", 1, FIRST, ("a",))
    assert predecessor(predecessor(second)) is None


def test_joint_stages_have_no_predecessor():
    assert predecessor(stage("net", 0, JOINT, ("a", "b"))) is None


def test_prefixes_of_an_order():
    assert prefixes(("a", "b", "c")) == [("a",), ("a", "b"), ("a", "b", "c")]


@pytest.mark.parametrize("method", [FIRST, JOINT])
def test_names_of_special_directories_are_reserved(method):
    assert method in RESERVED
