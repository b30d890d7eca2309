# Every stage is scored on every dataset: what it was trained on, what it has yet to see, and what it never will.


rule evaluate:
    input:
        unpack(plan.scored_inputs),
        theta="results/stages/{stage}/theta.safetensors",
    output:
        scores="results/stages/{stage}/scores/{part}.csv",
        previews="results/stages/{stage}/previews/{part}.npz",
    log:
        "results/logs/stages/{stage}/evaluate-{part}.log",
    benchmark:
        "results/benchmarks/evaluate/stages/{stage}/scores/{part}.tsv"
    conda:
        plan.torch_environment
    threads: config["training"]["threads"]
    resources:
        gpu=plan.gpu,
    params:
        recipe=plan.evaluation,
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/evaluate.py"


rule summarise:
    input:
        scores=plan.of_all_stages("scores/{part}.csv"),
        rainy=rainy_scores(experiment.scored_datasets),
    output:
        scores=report(
            "results/tables/scores.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "scores of all images"},
        ),
        matrix=report(
            "results/tables/matrix.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "score matrix"},
        ),
        continual=report(
            "results/tables/continual.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "continual-learning metrics"},
        ),
        summary=report(
            "results/tables/summary.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "summary"},
        ),
    log:
        "results/logs/summarise.log",
    conda:
        "../envs/cpu.yaml"
    params:
        stages=plan.stage_table,
        rounding=experiment.evaluation.rounding,
        orders=config["orders"],
        methods=list(experiment.methods),
        memory_bytes=plan.memory_bytes,
        code=code_digest("summarise"),
    script:
        "../scripts/summarise.py"
