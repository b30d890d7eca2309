# The recursion θⁿ → Ωⁿ → θⁿ⁺¹ along the curriculum tree. The stage before a stage is its parent directory; before the
# second dataset it is the first stage, which all methods share.


rule first:
    input:
        unpack(by_digest(plan.theta.inputs)),
    output:
        theta="results/stages/{stage}/theta.safetensors",
        table="results/stages/{stage}/training.csv",
    log:
        "results/logs/stages/{stage}/train.log",
    benchmark:
        "results/benchmarks/first/stages/{stage}/theta.tsv"
    wildcard_constraints:
        stage=plan.paths_of(FIRST),
    priority: urgency.training
    conda:
        plan.torch_environment
    threads: config["training"]["threads"] * config["training"]["devices"]
    resources:
        **pace.runtime(plan.theta.steps),
        gpu=plan.gpus,
    params:
        recipe=plan.theta.recipe,
        weights=lambda wildcards, output: plan.initial_weights(wildcards),
        entry=lambda wildcards, output: store.entry(plan.theta.planned(wildcards)),
    script:
        "../scripts/first.py"


use rule first as joint with:
    benchmark:
        "results/benchmarks/joint/stages/{stage}/theta.tsv"
    wildcard_constraints:
        stage=plan.paths_of(JOINT),


rule next:
    input:
        unpack(by_digest(plan.theta.inputs)),
    output:
        theta="results/stages/{stage}/theta.safetensors",
        table="results/stages/{stage}/training.csv",
    log:
        "results/logs/stages/{stage}/train.log",
    benchmark:
        "results/benchmarks/next/stages/{stage}/theta.tsv"
    wildcard_constraints:
        stage=plan.paths_with_past("next"),
    priority: urgency.training
    conda:
        plan.torch_environment
    threads: config["training"]["threads"] * config["training"]["devices"]
    resources:
        **pace.runtime(plan.theta.steps),
        gpu=plan.gpus,
    params:
        recipe=plan.theta.recipe,
        entry=lambda wildcards, output: store.entry(plan.theta.planned(wildcards)),
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/next.py"


rule given:
    output:
        "results/stages/{stage}/theta.safetensors",
    log:
        "results/logs/stages/{stage}/theta.log",
    wildcard_constraints:
        stage=plan.paths_of(GIVEN),
    priority: urgency.training
    conda:
        plan.torch_environment
    params:
        recipe=plan.theta.recipe,
        weights=lambda wildcards, output: plan.initial_weights(wildcards),
    script:
        "../scripts/given.py"


rule importance_shard:
    input:
        unpack(by_digest(plan.importance_shard.inputs)),
    output:
        temp(
            "results/stages/{stage}/omega-{importance}.shard{shard}of{shards}.safetensors"
        ),
    log:
        "results/logs/stages/{stage}/omega-{importance}.shard{shard}of{shards}.log",
    benchmark:
        "results/benchmarks/importance_shard/stages/{stage}/omega-{importance}.shard{shard}of{shards}.tsv"
    priority: urgency.state
    conda:
        plan.torch_environment
    threads: config["training"]["threads"] * config["training"]["devices"]
    resources:
        **pace.runtime(plan.importance_shard.steps),
        gpu=plan.gpus,
    params:
        recipe=plan.importance_shard.recipe,
        entry=lambda wildcards, output: store.entry(
            plan.importance_shard.planned(wildcards)
        ),
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/importance_shard.py"


rule importance:
    input:
        unpack(plan.importance.inputs),
    output:
        "results/stages/{stage}/omega-{importance}.safetensors",
    log:
        "results/logs/stages/{stage}/omega-{importance}.log",
    priority: urgency.state
    conda:
        "../envs/cpu.yaml"
    params:
        recipe=plan.importance.recipe,
        given=lambda wildcards, output: plan.given_importance(wildcards),
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/importance.py"


rule accumulate:
    input:
        unpack(plan.accumulated.inputs),
    output:
        "results/stages/{stage}/omega.safetensors",
    log:
        "results/logs/stages/{stage}/omega.log",
    priority: urgency.state
    conda:
        "../envs/cpu.yaml"
    params:
        recipe=plan.accumulated.recipe,
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/accumulate.py"


# After a first stage, which methods share, the name of a state ends with its kind.
rule state:
    input:
        unpack(by_digest(plan.state.inputs)),
    output:
        "results/stages/{stage}/{state}{of_kind}.safetensors",
    log:
        "results/logs/stages/{stage}/{state}{of_kind}.log",
    wildcard_constraints:
        state="|".join(name for name, state in STATES.items() if state.module),
        of_kind="(-[^/.]+)?",
    priority: urgency.state
    conda:
        plan.torch_environment
    params:
        recipe=plan.state.recipe,
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/state.py"
