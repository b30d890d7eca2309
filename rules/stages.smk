# The recursion θⁿ → Ωⁿ → θⁿ⁺¹ along the curriculum tree: the predecessor of a stage is one directory up.


rule first:
    input:
        tables=["results/datasets/{dataset}/training/pairs.csv"],
        pixels=["results/datasets/{dataset}/training/pixels.bin"],
    output:
        theta="results/stages/{network}/seed{seed}/first/{dataset}/theta.safetensors",
        table="results/stages/{network}/seed{seed}/first/{dataset}/training.csv",
    log:
        "results/logs/stages/{network}/seed{seed}/first/{dataset}/train.log",
    benchmark:
        "results/benchmarks/first/stages/{network}/seed{seed}/first/{dataset}/theta.tsv"
    conda:
        plan.torch_environment
    threads: config["training"]["threads"] * config["training"]["devices"]
    resources:
        **pace.runtime(plan.first),
        gpu=plan.gpus,
    params:
        spec=plan.first,
        entry=lambda wildcards, output: store.entry(output.theta),
    script:
        "../scripts/first.py"


rule next:
    input:
        theta=plan.theta_before,
        omega=plan.omega_before,
        memory=plan.memory_before,
        table="results/datasets/{dataset}/training/pairs.csv",
        pixels="results/datasets/{dataset}/training/pixels.bin",
    output:
        theta="results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/theta.safetensors",
        table="results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/training.csv",
    log:
        "results/logs/stages/{network}/seed{seed}/{method}/{past}/{dataset}/train.log",
    benchmark:
        "results/benchmarks/next/stages/{network}/seed{seed}/{method}/{past}/{dataset}/theta.tsv"
    wildcard_constraints:
        method=plan.methods_matching(searched=False),
    conda:
        plan.torch_environment
    threads: config["training"]["threads"] * config["training"]["devices"]
    resources:
        **pace.runtime(plan.next),
        gpu=plan.gpus,
    params:
        spec=plan.next,
        entry=lambda wildcards, output: store.entry(output.theta),
    script:
        "../scripts/next.py"


rule joint:
    input:
        tables=lambda wildcards: tables(wildcards.datasets.split("+"), "training"),
        pixels=lambda wildcards: pixels(wildcards.datasets.split("+"), "training"),
    output:
        theta="results/stages/{network}/seed{seed}/joint/{datasets}/theta.safetensors",
        table="results/stages/{network}/seed{seed}/joint/{datasets}/training.csv",
    log:
        "results/logs/stages/{network}/seed{seed}/joint/{datasets}/train.log",
    benchmark:
        "results/benchmarks/joint/stages/{network}/seed{seed}/joint/{datasets}/theta.tsv"
    conda:
        plan.torch_environment
    threads: config["training"]["threads"] * config["training"]["devices"]
    resources:
        **pace.runtime(plan.joint),
        gpu=plan.gpus,
    params:
        spec=plan.joint,
        entry=lambda wildcards, output: store.entry(output.theta),
    script:
        "../scripts/first.py"


rule given:
    output:
        "results/stages/{network}/seed0/given/theta.safetensors",
    log:
        "results/logs/stages/{network}/seed0/given/theta.log",
    conda:
        plan.torch_environment
    params:
        spec=plan.given,
    script:
        "../scripts/given.py"


rule importance_shard:
    input:
        theta="results/stages/{stage}/{dataset}/theta.safetensors",
        table="results/datasets/{dataset}/training/pairs.csv",
        pixels="results/datasets/{dataset}/training/pixels.bin",
    output:
        temp(
            "results/stages/{stage}/{dataset}/omega-{importance}.shard{shard}of{shards}.safetensors"
        ),
    log:
        "results/logs/stages/{stage}/{dataset}/omega-{importance}.shard{shard}of{shards}.log",
    benchmark:
        "results/benchmarks/importance_shard/stages/{stage}/{dataset}/omega-{importance}.shard{shard}of{shards}.tsv"
    conda:
        plan.torch_environment
    threads: config["training"]["threads"] * config["training"]["devices"]
    resources:
        **pace.runtime(plan.importance),
        gpu=plan.gpus,
    params:
        spec=plan.importance,
        entry=lambda wildcards, output: store.entry(output[0]),
    script:
        "../scripts/importance_shard.py"


rule importance:
    input:
        shards=plan.omega_shards,
    output:
        "results/stages/{stage}/{dataset}/omega-{importance}.safetensors",
    log:
        "results/logs/stages/{stage}/{dataset}/omega-{importance}.log",
    conda:
        "../envs/cpu.yaml"
    params:
        spec=plan.merged_importance,
    script:
        "../scripts/importance.py"


rule accumulate:
    input:
        past=plan.omega_before,
        new=plan.omega_of_stage,
    output:
        "results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/omega.safetensors",
    log:
        "results/logs/stages/{network}/seed{seed}/{method}/{past}/{dataset}/omega.log",
    conda:
        "../envs/cpu.yaml"
    params:
        spec=plan.accumulation,
    script:
        "../scripts/accumulate.py"


rule remember_first:
    input:
        table="results/datasets/{dataset}/training/pairs.csv",
        pixels="results/datasets/{dataset}/training/pixels.bin",
        past=[],
    output:
        "results/stages/{network}/seed{seed}/first/{dataset}/memory-{memory}.safetensors",
    log:
        "results/logs/stages/{network}/seed{seed}/first/{dataset}/memory-{memory}.log",
    conda:
        plan.torch_environment
    params:
        spec=plan.memory_of_first,
    script:
        "../scripts/remember.py"


use rule remember_first as remember with:
    input:
        table="results/datasets/{dataset}/training/pairs.csv",
        pixels="results/datasets/{dataset}/training/pixels.bin",
        past=plan.memory_before,
    output:
        "results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/memory.safetensors",
    log:
        "results/logs/stages/{network}/seed{seed}/{method}/{past}/{dataset}/memory.log",
    params:
        spec=plan.memory,
