# A dataset becomes one packed store, and its rainy images are scored once.


rule pack:
    output:
        table="results/datasets/{dataset}/pairs.csv",
        pixels="results/datasets/{dataset}/pixels.bin",
    log:
        "results/logs/datasets/{dataset}/pack.log",
    conda:
        "../envs/cpu.yaml"
    params:
        dataset=plan.dataset,
        source=lambda wildcards: sources[wildcards.dataset],
    script:
        "../scripts/pack.py"


rule score_rainy:
    input:
        table="results/datasets/{dataset}/pairs.csv",
        pixels="results/datasets/{dataset}/pixels.bin",
    output:
        "results/datasets/{dataset}/rainy.csv",
    log:
        "results/logs/datasets/{dataset}/score_rainy.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("score_rainy"),
    script:
        "../scripts/score_rainy.py"
