import threading

import pytest
from derain.data.parallel import in_turn


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_works(workers):
    assert list(in_turn(((lambda n=n: n * n) for n in range(20)), workers)) == [n * n for n in range(20)]
    assert list(in_turn(iter(()), workers)) == []


def test_works_are_done_by_threads_while_the_caller_makes_the_next_ones_and_few_are_held():
    """The first work ends only when the caller has made the third: they run side by side."""
    third, made, done = threading.Event(), [], []

    def works():
        for n in range(12):
            made.append(n)
            assert len(made) - len(done) <= 5  # two for each thread, and the one that is made
            if n == 2:
                third.set()
            yield lambda n=n: (third.wait(10) if n == 0 else None, threading.get_ident())

    for result in in_turn(works(), 2):
        done.append(result)
    assert done[0][0] is True
    assert threading.get_ident() not in {thread for _, thread in done}
    assert len(done) == 12


def test_a_work_that_fails_fails_in_its_turn():
    results = in_turn([lambda: 1, lambda: 1 / 0, lambda: 3], 2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
