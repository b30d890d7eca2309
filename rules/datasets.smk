# Each dataset is packed and checked, and its rainy images are scored once. Its files are examined when the workflow is
# parsed (derain/data/sources.py); digests of its pairs and findings are params here. A run writes manifest and findings
# before its first job. Training and test pairs are two stores, so that a change of one does not rerun jobs that use the
# other.


rule pack:
    input:
        unpack(by_digest(plan.layer_store)),
    output:
        table="results/datasets/{dataset}/{use}/pairs.csv",
        pixels="results/datasets/{dataset}/{use}/pixels.bin",
    log:
        "results/logs/datasets/{dataset}/pack-{use}.log",
    benchmark:
        "results/benchmarks/pack/datasets/{dataset}/{use}/pairs.tsv"
    priority: QUICK
    conda:
        "../envs/cpu.yaml"
    threads: threads
    params:
        pairs=lambda wildcards: sources.pairs(wildcards.dataset, wildcards.use),
        layers=plan.layer_digests,
        storage=plan.storage,
        code=code_digest("pack"),
    script:
        "../scripts/pack.py"


rule check_dataset:
    input:
        unpack(by_digest(plan.stores)),
    output:
        table="results/datasets/{dataset}/check.csv",
        sheet="results/datasets/{dataset}/contact.jpg",
    log:
        "results/logs/datasets/{dataset}/check.log",
    priority: QUICK
    conda:
        "../envs/cpu.yaml"
    threads: threads
    params:
        ssim=experiment.evaluation.ssim,
        findings=lambda wildcards: sources.findings(wildcards.dataset),
        pairs=plan.store_digests,
        code=code_digest("check"),
    script:
        "../scripts/check.py"


rule check:
    input:
        checks=plan.checks,
        sheets=plan.contact_sheets,
    log:
        "results/logs/datasets/check.log",
    conda:
        "../envs/cpu.yaml"
    params:
        layouts={
            name: experiment.datasets[name].layout
            for name in experiment.packed_datasets
        },
    script:
        "../scripts/show_checks.py"


rule score_rainy:
    input:
        unpack(by_digest(plan.test_store)),
    output:
        "results/datasets/{dataset}/rainy.csv",
    log:
        "results/logs/datasets/{dataset}/score_rainy.log",
    benchmark:
        "results/benchmarks/score_rainy/datasets/{dataset}/rainy.tsv"
    priority: QUICK
    conda:
        "../envs/cpu.yaml"
    params:
        ssim=experiment.evaluation.ssim,
        pairs=lambda wildcards: sources.pairs(wildcards.dataset, "test"),
        code=code_digest("score_rainy"),
    script:
        "../scripts/score_rainy.py"
