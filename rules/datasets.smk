# A dataset is checked, becomes one store, and its rainy images are scored once. What it holds is found when the
# workflow is parsed (derain/listing.py) and enters here as the digest of its manifest, whose file time tells nothing.
# Training and test pairs are two stores: where the ones change, what only sees the others stays as it is.


rule pack:
    input:
        manifest=ancient("results/datasets/{dataset}/manifest.csv"),
    output:
        table="results/datasets/{dataset}/{use}/pairs.csv",
        pixels="results/datasets/{dataset}/{use}/pixels.bin",
    log:
        "results/logs/datasets/{dataset}/pack-{use}.log",
    benchmark:
        "results/benchmarks/pack/datasets/{dataset}/{use}/pairs.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 8
    params:
        pairs=lambda wildcards: sources.pairs(wildcards.dataset, wildcards.use),
        storage=plan.storage,
        code=code_digest("pack"),
    script:
        "../scripts/pack.py"


rule check_dataset:
    input:
        findings="results/datasets/{dataset}/findings.csv",
        tables=plan.stores("pairs.csv"),
        pixels=plan.stores("pixels.bin"),
    output:
        "results/datasets/{dataset}/check.csv",
    log:
        "results/logs/datasets/{dataset}/check.log",
    conda:
        "../envs/cpu.yaml"
    threads: 8
    params:
        ssim=experiment.evaluation.ssim,
        code=code_digest("check"),
    script:
        "../scripts/check.py"


rule check:
    input:
        plan.checks,


rule score_rainy:
    input:
        table="results/datasets/{dataset}/test/pairs.csv",
        pixels="results/datasets/{dataset}/test/pixels.bin",
    output:
        "results/datasets/{dataset}/rainy.csv",
    log:
        "results/logs/datasets/{dataset}/score_rainy.log",
    benchmark:
        "results/benchmarks/score_rainy/datasets/{dataset}/rainy.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        ssim=experiment.evaluation.ssim,
        code=code_digest("score_rainy"),
    script:
        "../scripts/score_rainy.py"
