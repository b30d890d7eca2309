"""What derain.engine uses of Snakemake beyond its documentation, a test in this folder for each part.

After an upgrade of Snakemake: run these tests, mend derain.engine where one fails, then change its VERSION.
"""

import snakemake
from derain import engine


def test_the_version_is_the_one_that_the_adapter_was_written_for():
    assert snakemake.__version__ == engine.VERSION, __doc__
