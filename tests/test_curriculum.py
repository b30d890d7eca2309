import pytest
from derain.config.orders import choose_orders
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


# --- orders by rule


def test_all_orders_of_four_are_24_distinct_ones_and_the_given_one_is_first():
    orders = choose_orders("abcd", "all", 3, 0)
    assert len(orders) == len(set(orders)) == 24
    assert all(sorted(order) == list("abcd") for order in orders)
    assert orders[0] == tuple("abcd")


def test_rotations_bring_every_dataset_to_every_place_once():
    orders = choose_orders("cab", "rotations", 3, 0)
    assert orders == [tuple("cab"), tuple("abc"), tuple("bca")]
    assert all(set(at_place) == set("abc") for at_place in zip(*orders, strict=True))


def test_random_orders_are_distinct_permutations_as_many_as_asked_for():
    for count in range(1, 20):
        orders = choose_orders("abcd", "random", count, 1)
        assert len(orders) == len(set(orders)) == count
        assert all(sorted(order) == list("abcd") for order in orders)


def test_random_orders_follow_their_seed_and_more_of_them_keep_the_first():
    assert choose_orders("abcde", "random", 4, 7) == choose_orders("abcde", "random", 4, 7)
    assert choose_orders("abcde", "random", 4, 7) != choose_orders("abcde", "random", 4, 8)
    assert choose_orders("abcde", "random", 9, 7)[:4] == choose_orders("abcde", "random", 4, 7)


@pytest.mark.parametrize(("datasets", "there_are"), [("a", 1), ("ab", 2), ("abc", 6)])
def test_random_orders_are_all_there_are_where_fewer_than_asked_for(datasets, there_are):
    orders = choose_orders(datasets, "random", 50, 0)
    assert set(orders) == set(choose_orders(datasets, "all", 1, 0))
    assert len(orders) == there_are
