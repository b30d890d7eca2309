"""Files that are another by the time that they are read."""

import pytest
from derain.errors import UserError
from derain.files.digest import check_digest, file_digest


def test_a_file_that_changed_is_named(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"one")
    digest = file_digest(path)
    check_digest(path, digest)
    path.write_bytes(b"two")
    with pytest.raises(UserError, match=r"weights\.pth: changed since this run began"):
        check_digest(path, digest)
