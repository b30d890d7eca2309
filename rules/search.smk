# Strengths chosen for a stage from its own dataset: candidates in a branch of their own, the choice a file.


use rule next as candidate with:
    output:
        theta="results/search/{network}/seed{seed}/{method}/{past}/{dataset}/scale-{scale}/theta.safetensors",
        table="results/search/{network}/seed{seed}/{method}/{past}/{dataset}/scale-{scale}/training.csv",
    log:
        "results/logs/search/{network}/seed{seed}/{method}/{past}/{dataset}/scale-{scale}.log",
    benchmark:
        "results/benchmarks/candidate/search/{network}/seed{seed}/{method}/{past}/{dataset}/scale-{scale}/theta.tsv"
    wildcard_constraints:
        method=plan.methods_matching(searched=True),


rule choose:
    input:
        theta=plan.theta_before,
        omega=plan.omega_before,
        thetas=plan.candidates("theta.safetensors"),
        trainings=plan.candidates("training.csv"),
        table="results/datasets/{dataset}/training/pairs.csv",
        pixels="results/datasets/{dataset}/training/pixels.bin",
    output:
        "results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/strength.csv",
    log:
        "results/logs/stages/{network}/seed{seed}/{method}/{past}/{dataset}/choose.log",
    wildcard_constraints:
        method=plan.methods_matching(searched=True),
    conda:
        "../envs/cpu.yaml"
    params:
        scales=plan.scales,
        give_up=plan.give_up,
        code=code_digest("choose"),
    script:
        "../scripts/choose.py"


rule adopt:
    input:
        choice="results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/strength.csv",
        thetas=plan.candidates("theta.safetensors"),
        trainings=plan.candidates("training.csv"),
    output:
        theta="results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/theta.safetensors",
        table="results/stages/{network}/seed{seed}/{method}/{past}/{dataset}/training.csv",
    log:
        "results/logs/stages/{network}/seed{seed}/{method}/{past}/{dataset}/adopt.log",
    wildcard_constraints:
        method=plan.methods_matching(searched=True),
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("adopt"),
    script:
        "../scripts/adopt.py"
