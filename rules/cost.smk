# Time and memory by rule. Benchmark files are not declared as inputs, so that a deleted one causes no rerun.


rule cost:
    input:
        plan.thetas,
        plan.of_all_stages(SCORES),
        [stage.file(THEORY_TABLE) for stage in plan.diagnosed],
        page.files_of("chord") if "chord" in page.tables else [],
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
