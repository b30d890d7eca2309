# Does the theory hold? Change of the loss of every earlier dataset, its first-order estimate and its bound (Eqs. 5–8).


rule theory:
    input:
        unpack(by_digest(plan.theory.inputs)),
    output:
        "results/stages/{stage}/theory.csv",
    log:
        "results/logs/stages/{stage}/theory.log",
    benchmark:
        "results/benchmarks/theory/stages/{stage}/theory.tsv"
    priority: urgency.scores
    conda:
        plan.torch_environment
    threads: config["training"]["threads"]
    resources:
        **pace.runtime(plan.theory.steps),
        gpu=plan.gpu,
    params:
        recipe=plan.theory.recipe,
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/theory.py"
