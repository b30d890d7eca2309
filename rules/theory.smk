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
