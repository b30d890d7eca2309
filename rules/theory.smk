# Does the theory hold? The loss of every earlier dataset against its first-order estimate and its bound (Eqs. 5–8).


rule theory:
    input:
        thetas=plan.thetas_along,
        tables=lambda wildcards: tables(to_stage(wildcards).datasets[:-1], "training"),
        pixels=lambda wildcards: pixels(to_stage(wildcards).datasets[:-1], "training"),
    output:
        "results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/theory.csv",
    log:
        "results/logs/stages/{network}/seed{seed}/{method}/{past}/{dataset}/theory.log",
    benchmark:
        "results/benchmarks/theory/stages/{network}/seed{seed}/{method}/{past}/{dataset}/theory.tsv"
    conda:
        plan.torch_environment
    threads: config["training"]["threads"]
    resources:
        **pace.runtime(plan.theory),
        gpu=plan.gpu,
    params:
        spec=plan.theory,
    script:
        "../scripts/theory.py"


rule summarise_theory:
    input:
        [in_stage(of, "theory.csv") for of in plan.diagnosed],
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
        stages=[place(of) for of in plan.diagnosed],
        code=code_digest("summarise_theory"),
    script:
        "../scripts/summarise_theory.py"
