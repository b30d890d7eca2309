# Search for the strengths of a stage on its own dataset. Candidates are in results/search; the choice is a file.


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
        stage=plan.paths_with_past(searched=True),
    params:
        recipe=plan.candidate.recipe,
        entry=lambda wildcards, output: store.entry(plan.candidate.artifact(wildcards)),
        recipes=lambda wildcards, input: plan.recipes(input),


rule choose:
    input:
        unpack(by_digest(plan.choice_inputs)),
    output:
        "results/stages/{stage}/strength.csv",
    log:
        "results/logs/stages/{stage}/choose.log",
    wildcard_constraints:
        stage=plan.paths_with_past(searched=True),
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
        stage=plan.paths_with_past(searched=True),
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("adopt"),
    script:
        "../scripts/adopt.py"
