# The HTML page, and its charts and tables for a paper.


rule gather:
    input:
        lambda wildcards: page.files_of(wildcards.table),
    output:
        report(
            f"{page.folder}/tables/{{table}}.csv",
            caption="../docs/captions/gather.rst",
            category="Tables",
            labels=lambda wildcards: {"table": page.tables[wildcards.table].title},
        ),
    log:
        f"{page.folder}/logs/gather-{{table}}.log",
    wildcard_constraints:
        table="|".join(page.tables) or NOTHING,
    conda:
        "../envs/cpu.yaml"
    params:
        stages=lambda wildcards: page.stages_of(wildcards.table),
        make=lambda wildcards: page.tables[wildcards.table].make,
        digits=lambda wildcards: page.tables[wildcards.table].digits,
        code=lambda wildcards: code_digest(
            "gather", page.tables[wildcards.table].module
        ),
    script:
        "../scripts/gather.py"


rule report:
    input:
        tables=[
            *page.table_files,
            f"{page.folder}/tables/scores.csv",
            f"{page.folder}/tables/cost.csv",
        ],
        rainy=rainy_scores(experiment.scored_datasets),
        previews=[file for shown in page.shown for file in shown["files"]],
        pairs=tables(experiment.scored_datasets, "test"),
        pixels=pixels(experiment.scored_datasets, "test"),
        checks=plan.checks,
        beside=page.drawn,  # this job runs last: it removes files of other experiments
    output:
        report(
            f"{page.folder}/report.html",
            caption="../docs/captions/report.rst",
            category="Page",
            labels={"page": "what was kept, what was lost"},
        ),
    log:
        f"{page.folder}/logs/report.log",
    conda:
        "../envs/cpu.yaml"
    params:
        plan=page.content,
        derived=DERIVED,
        kept=page.derived,
        look=look_digests("page.css", "page.html.j2", "page.js", "slider.js"),
        code=code_digest("report"),
    script:
        "../scripts/report.py"


rule figures:
    input:
        page.table_files,
    output:
        svg=[
            report(
                f"{page.folder}/figures/{figure['name']}.svg",
                caption="../docs/captions/figures.rst",
                category="Figures",
                labels={"figure": figure["name"]},
            )
            for figure in page.figures
        ],
        pdf=[f"{page.folder}/figures/{figure['name']}.pdf" for figure in page.figures],
    log:
        f"{page.folder}/logs/figures.log",
    conda:
        "../envs/cpu.yaml"
    params:
        rounding=experiment.evaluation.rounding[0],
        importances=page.importances,
        titles=page.titles,
        learned=experiment.learned,
        seed=experiment.seeds[0],
        figures=page.figures,
        code=code_digest("figures"),
    script:
        "../scripts/figures.py"


rule paper_tables:
    input:
        scores=f"{page.folder}/tables/scores.csv",
        matrix=f"{page.folder}/tables/matrix.csv",
        continual=f"{page.folder}/tables/continual.csv",
        summary=f"{page.folder}/tables/summary.csv",
        chord=[f"{page.folder}/tables/chord.csv"] if "chord" in page.tables else [],
    output:
        csv=report(
            f"{page.folder}/tables/verdict.csv",
            caption="../docs/captions/verdict.rst",
            category="Tables",
            labels={"table": "verdict"},
        ),
        verdict=f"{page.folder}/tables/verdict.tex",
        orders=f"{page.folder}/tables/orders.tex",
        matrix=f"{page.folder}/tables/matrix.tex",
    log:
        f"{page.folder}/logs/paper_tables.log",
    conda:
        "../envs/cpu.yaml"
    params:
        rounding=experiment.evaluation.rounding[0],
        code=code_digest("paper_tables"),
    script:
        "../scripts/paper_tables.py"
