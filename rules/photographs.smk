# The user's photographs through the last networks. Snakemake deletes the declared outputs of a job before it starts, so
# only the page is declared: the job finds what earlier jobs have restored, and restores what is missing or has changed.


rule restore:
    input:
        unpack(plan.restoration.inputs),
    output:
        f"{page.folder}/{COMPARISON}",
    log:
        f"{page.folder}/logs/photographs/{{stage}}/restore.log",
    benchmark:
        str(
            Path(
                "results/benchmarks/restore",
                experiment.name or "",
                "photographs/{stage}.tsv",
            )
        )
    wildcard_constraints:
        stage=STAGE_PATH if page.comparisons else NOTHING,
    conda:
        plan.torch_environment
    threads: config["training"]["threads"]
    resources:
        gpu=plan.gpu,
    params:
        recipe=plan.restoration.recipe,
        recipes=lambda wildcards, input: plan.recipes(input),
        photographs=photographs.digest,
        cache=lambda wildcards, output: str(photographs.cache),
        look=look_digests("page.css", "comparison.html.j2", "slider.js"),
        code=code_digest("restore"),
    script:
        "../scripts/restore.py"
