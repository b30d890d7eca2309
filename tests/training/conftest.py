"""What tests of several processes share."""

import gc

import pytest


@pytest.fixture
def no_process_group_left():
    """Delete the process groups of a test: a later fork that deletes one waits for ever for threads that it lacks."""
    yield
    gc.collect()
