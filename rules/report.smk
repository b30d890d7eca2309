# One page that tells what was kept and what was lost.


rule report:
    input:
        matrix="results/tables/matrix.csv",
        continual="results/tables/continual.csv",
        strengths=["results/tables/strengths.csv"] if plan.choices else [],
        theory=["results/tables/theory.csv"] if plan.diagnosed else [],
        correlations=(
            ["results/tables/theory-correlations.csv"] if plan.diagnosed else []
        ),
        previews=[file for shown in plan.shown_on_page for file in shown["files"]],
        tables=tables(experiment.scored_datasets, "test"),
        pixels=pixels(experiment.scored_datasets, "test"),
    output:
        report(
            "results/report.html",
            caption="../docs/captions/report.rst",
            category="Results",
        ),
    log:
        "results/logs/report.log",
    conda:
        "../envs/cpu.yaml"
    params:
        shown=plan.shown_on_page,
        datasets=experiment.scored_datasets,
        rounding=experiment.evaluation.rounding[0],
        code=code_digest("report"),
    script:
        "../scripts/report.py"
