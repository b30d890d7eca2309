# Every stage is scored on every dataset, whether it was trained on it, will be, or never is.


rule evaluate:
    input:
        unpack(by_digest(plan.scores.inputs)),
    output:
        scores="results/stages/{stage}/scores/{part}.csv",
        previews="results/stages/{stage}/previews/{part}.npz",
    log:
        "results/logs/stages/{stage}/evaluate-{part}.log",
    benchmark:
        "results/benchmarks/evaluate/stages/{stage}/scores/{part}.tsv"
    priority: urgency.scores
    conda:
        plan.torch_environment
    threads: config["training"]["threads"]
    resources:
        gpu=plan.gpu,
    params:
        recipe=plan.scores.recipe,
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/evaluate.py"


# The trade-off that needs no training: blends of a stage with the one before it, a job for each α.


rule chord:
    input:
        unpack(by_digest(plan.chord.inputs)),
    output:
        "results/stages/{stage}/chord/alpha-{alpha}.csv",
    log:
        "results/logs/stages/{stage}/chord/alpha-{alpha}.log",
    benchmark:
        "results/benchmarks/chord/stages/{stage}/chord/alpha-{alpha}.tsv"
    priority: urgency.scores
    conda:
        plan.torch_environment
    threads: config["training"]["threads"]
    resources:
        gpu=plan.gpu,
    params:
        recipe=plan.chord.recipe,
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/chord.py"


use rule chord as chord_weighted with:
    output:
        "results/stages/{stage}/chord/omega-{importance}-alpha-{alpha}.csv",
    log:
        "results/logs/stages/{stage}/chord/omega-{importance}-alpha-{alpha}.log",
    benchmark:
        "results/benchmarks/chord_weighted/stages/{stage}/chord/omega-{importance}-alpha-{alpha}.tsv"


rule summarise:
    input:
        scores=plan.of_all_stages(SCORES),
        rainy=rainy_scores(experiment.scored_datasets),
        pairs=tables(experiment.scored_datasets, "test"),
    output:
        scores=report(
            f"{page.folder}/tables/scores.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "scores of all images"},
        ),
        matrix=report(
            f"{page.folder}/tables/matrix.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "score matrix"},
        ),
        continual=report(
            f"{page.folder}/tables/continual.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "continual-learning metrics"},
        ),
        summary=report(
            f"{page.folder}/tables/summary.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "summary"},
        ),
    log:
        f"{page.folder}/logs/summarise.log",
    conda:
        "../envs/cpu.yaml"
    params:
        stages=plan.stage_table,
        datasets=experiment.scored_datasets,
        rounding=experiment.evaluation.rounding,
        orders=config["orders"],
        methods=list(experiment.methods),
        old_data=plan.old_data_bytes,
        at_once=plan.at_once,
        drawn=DRAWN,
        code=code_digest("summarise"),
    script:
        "../scripts/summarise.py"
