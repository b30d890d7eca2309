# Time and memory by rule. The benchmark files are no inputs: deleted ones are missed by nobody.


rule cost:
    input:
        plan.thetas,
        plan.of_all_stages("scores/{part}.csv"),
        [stage.file("theory.csv") for stage in plan.diagnosed],
        [f"results/datasets/{name}/rainy.csv" for name in experiment.scored_datasets],
    output:
        f"{page.folder}/tables/cost.csv",
    log:
        f"{page.folder}/logs/cost.log",
    conda:
        "../envs/cpu.yaml"
    params:
        files=lambda wildcards: benchmarks(plan.costly()),
        code=code_digest("cost"),
    script:
        "../scripts/cost.py"
