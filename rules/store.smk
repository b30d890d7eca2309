# Stages that are in the stage store are taken instead of trained. Both kinds of job have the same inputs and the same
# recorded params, so adding or removing the store causes no rerun. (`entry` is a function of the output; Snakemake does
# not record such params.)


rule take:
    input:
        unpack(by_digest(plan.trained_theta.inputs)),
    output:
        theta="results/{trained}/theta.safetensors",
        table="results/{trained}/training.csv",
    log:
        "results/logs/{trained}/take.log",
    wildcard_constraints:
        trained=store.held(*TRAININGS, end=THETA),
    priority: QUICK
    conda:
        plan.torch_environment
    params:
        recipe=plan.trained_theta.recipe,
        entry=lambda wildcards, output: store.entry(
            plan.trained_theta.planned(wildcards)
        ),
        recipes=lambda wildcards, output: plan.recipes(output),
    script:
        "../scripts/take.py"


rule take_shard:
    input:
        unpack(by_digest(plan.trained_shard.inputs)),
    output:
        temp("results/{omega}.safetensors"),
    log:
        "results/logs/{omega}.log",
    wildcard_constraints:
        omega=store.held(SHARDS, end=".safetensors"),
    priority: QUICK
    conda:
        plan.torch_environment
    params:
        recipe=plan.trained_shard.recipe,
        entry=lambda wildcards, output: store.entry(
            plan.trained_shard.planned(wildcards)
        ),
        recipes=lambda wildcards, output: plan.recipes(output),
    script:
        "../scripts/take.py"


ruleorder: take > first > next > candidate > joint
ruleorder: take_shard > importance_shard


rule put:
    input:
        thetas=plan.trainings,
    log:
        "results/logs/put.log",
    conda:
        "../envs/cpu.yaml"
    params:
        entries=lambda wildcards, input: [
            store.entry(plan.made[theta]) for theta in input.thetas
        ],
        recipes=lambda wildcards, input: plan.recipes(input.thetas),
    script:
        "../scripts/put.py"
