"""Score the rainy test images themselves, as the baseline of all networks."""

from derain.allocator import keep_freed_memory
from derain.data.store import PackedPairs
from derain.errors import as_job
from derain.evaluation.scores import RAINY_COLUMNS, score_rainy, write_scores

with as_job(snakemake.log[0]):
    keep_freed_memory()  # halves the time of a score
    files, params = snakemake.input, snakemake.params
    pairs = PackedPairs([(files.tables[0], files.pixels[0], params.pairs)], "test")
    write_scores(snakemake.output[0], score_rainy(snakemake.wildcards.dataset, pairs, params.ssim), RAINY_COLUMNS)
