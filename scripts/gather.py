"""Build a table from files of stages, with the function that derain.plan.tables names for it."""

from pkgutil import resolve_name

from derain.errors import as_job

with as_job(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    per_stage = len(files) // len(params.stages)
    sources = [(stage, files[n * per_stage : (n + 1) * per_stage]) for n, stage in enumerate(params.stages)]
    table = resolve_name(params.make)(sources)
    table.to_csv(snakemake.output[0], index=False, float_format=params.digits)
