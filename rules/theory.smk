# Does the theory hold? The loss of every earlier dataset against its first-order estimate and its bound (Eqs. 5–8).


rule theory:
    input:
        unpack(plan.theory_inputs),
    output:
        "results/stages/{stage}/theory.csv",
    log:
        "results/logs/stages/{stage}/theory.log",
    benchmark:
        "results/benchmarks/theory/stages/{stage}/theory.tsv"
    conda:
        plan.torch_environment
    threads: config["training"]["threads"]
    resources:
        **pace.runtime(plan.theory_steps),
        gpu=plan.gpu,
    params:
        recipe=plan.theory,
    script:
        "../scripts/theory.py"


rule summarise_theory:
    input:
        [stage.file("theory.csv") for stage in plan.diagnosed],
    output:
        theory=report(
            "results/tables/theory.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "loss changes against the theory"},
        ),
        correlations=report(
            "results/tables/theory-correlations.csv",
            caption="../docs/captions/tables.rst",
            category="Tables",
            labels={"table": "correlations with the theory"},
        ),
    log:
        "results/logs/summarise_theory.log",
    conda:
        "../envs/cpu.yaml"
    params:
        stages=[place(stage) for stage in plan.diagnosed],
        code=code_digest("summarise_theory"),
    script:
        "../scripts/summarise_theory.py"
