# Choices of a stage on its own dataset: its strengths among candidates, or the share of its training in a blend. What
# is trained for a choice is in results/search; the choice is a file.


use rule next as candidate with:
    input:
        unpack(by_digest(plan.candidate.inputs)),
    output:
        theta="results/search/{stage}/scale-{scale}/theta.safetensors",
        table="results/search/{stage}/scale-{scale}/training.csv",
    log:
        "results/logs/search/{stage}/scale-{scale}.log",
    benchmark:
        "results/benchmarks/candidate/search/{stage}/scale-{scale}/theta.tsv"
    wildcard_constraints:
        stage=plan.paths_with_past("adopt", "blend"),
    params:
        recipe=plan.candidate.recipe,
        entry=lambda wildcards, output: store.entry(plan.candidate.planned(wildcards)),
        recipes=lambda wildcards, input: plan.recipes(input),


rule choose:
    input:
        unpack(by_digest(plan.choice_inputs)),
    output:
        "results/stages/{stage}/strength.csv",
    log:
        "results/logs/stages/{stage}/choose.log",
    wildcard_constraints:
        stage=plan.paths_with_past("adopt"),
    priority: urgency.training
    conda:
        "../envs/cpu.yaml"
    params:
        recipe=plan.theta.recipe,
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/choose.py"


rule adopt:
    input:
        unpack(plan.candidate_files),
        choice="results/stages/{stage}/strength.csv",
    output:
        theta="results/stages/{stage}/theta.safetensors",
        table="results/stages/{stage}/training.csv",
    log:
        "results/logs/stages/{stage}/adopt.log",
    wildcard_constraints:
        stage=plan.paths_with_past("adopt"),
    priority: urgency.training
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("adopt"),
    script:
        "../scripts/adopt.py"


rule blend:
    input:
        unpack(by_digest(plan.blend_inputs)),
    output:
        theta="results/stages/{stage}/theta.safetensors",
        table="results/stages/{stage}/training.csv",
        choice="results/stages/{stage}/blend.csv",
    log:
        "results/logs/stages/{stage}/blend.log",
    benchmark:
        "results/benchmarks/blend/stages/{stage}/theta.tsv"
    wildcard_constraints:
        stage=plan.paths_with_past("blend"),
    priority: urgency.training
    conda:
        plan.torch_environment
    threads: config["training"]["threads"]
    resources:
        gpu=plan.gpu,
    params:
        recipe=plan.theta.recipe,
        recipes=lambda wildcards, input: plan.recipes(input),
    script:
        "../scripts/blend.py"
