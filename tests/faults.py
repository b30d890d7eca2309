"""What a call refuses, as its user reads it."""

import pytest
from derain.errors import UserError


def faults_of(call, *arguments):
    """The lines of the UserError that the call raises."""
    with pytest.raises(UserError) as refused:
        call(*arguments)
    return str(refused.value).splitlines()
