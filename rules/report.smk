# One page that tells what was kept and what was lost; its charts and tables for a paper.


rule summarise_training:
    input:
        [stage.file(TRAINING_TABLE) for stage in plan.trained],
    output:
        report(
            "results/tables/training.csv",
            caption="../docs/captions/training.rst",
            category="Tables",
            labels={"table": "training curves"},
        ),
    log:
        "results/logs/summarise_training.log",
    conda:
        "../envs/cpu.yaml"
    params:
        stages=[place(stage) for stage in plan.trained],
        code=code_digest("summarise_training"),
    script:
        "../scripts/summarise_training.py"


rule summarise_moves:
    input:
        before=[before for before, _ in page.moves],
        after=[after for _, after in page.moves],
    output:
        report(
            "results/tables/moves.csv",
            caption="../docs/captions/moves.rst",
            category="Tables",
            labels={"table": "how far each layer moved"},
        ),
    log:
        "results/logs/summarise_moves.log",
    conda:
        "../envs/cpu.yaml"
    params:
        stages=[place(stage) for stage in plan.stages_with_past],
        code=code_digest("summarise_moves"),
    script:
        "../scripts/summarise_moves.py"


rule summarise_importance:
    input:
        page.omega_files,
    output:
        layers=report(
            "results/tables/omega-layers.csv",
            caption="../docs/captions/importance.rst",
            category="Tables",
            labels={"table": "importance by layer"},
        ),
        distribution=report(
            "results/tables/omega-distribution.csv",
            caption="../docs/captions/importance.rst",
            category="Tables",
            labels={"table": "distribution of importance"},
        ),
        overlap=report(
            "results/tables/omega-overlap.csv",
            caption="../docs/captions/importance.rst",
            category="Tables",
            labels={"table": "overlap of importance between datasets"},
        ),
    log:
        "results/logs/summarise_importance.log",
    conda:
        "../envs/cpu.yaml"
    params:
        omegas=page.omega_places,
        code=code_digest("summarise_importance"),
    script:
        "../scripts/summarise_importance.py"


rule report:
    input:
        results=[*page.tables, "results/tables/cost.csv"],
        scores="results/tables/scores.csv",
        rainy=rainy_scores(experiment.scored_datasets),
        previews=[file for shown in page.shown for file in shown["files"]],
        tables=tables(experiment.scored_datasets, "test"),
        pixels=pixels(experiment.scored_datasets, "test"),
        checks=plan.checks,
    output:
        report(
            "results/report.html",
            caption="../docs/captions/report.rst",
            category="Page",
            labels={"page": "what was kept, what was lost"},
        ),
    log:
        "results/logs/report.log",
    conda:
        "../envs/cpu.yaml"
    params:
        shown=page.shown,
        datasets=experiment.scored_datasets,
        rounding=experiment.evaluation.rounding[0],
        importances=page.importances,
        thetas=plan.thetas,
        look=[
            file_digest(file)
            for file in sorted(
                Path(workflow.basedir).glob("scripts/derain/report/page.*")
            )
        ],
        code=code_digest("report"),
    script:
        "../scripts/report.py"


rule figures:
    input:
        page.tables,
    output:
        svg=[
            report(
                f"results/figures/{name}.svg",
                caption="../docs/captions/figures.rst",
                category="Figures",
                labels={"figure": name},
            )
            for name in page.figures
        ],
        pdf=[f"results/figures/{name}.pdf" for name in page.figures],
    log:
        "results/logs/figures.log",
    conda:
        "../envs/cpu.yaml"
    params:
        rounding=experiment.evaluation.rounding[0],
        importances=page.importances,
        code=code_digest("figures"),
    script:
        "../scripts/figures.py"


rule paper_tables:
    input:
        matrix="results/tables/matrix.csv",
        continual="results/tables/continual.csv",
        summary="results/tables/summary.csv",
    output:
        csv=report(
            "results/tables/verdict.csv",
            caption="../docs/captions/verdict.rst",
            category="Tables",
            labels={"table": "verdict"},
        ),
        verdict="results/tables/verdict.tex",
        orders="results/tables/orders.tex",
        matrix="results/tables/matrix.tex",
    log:
        "results/logs/paper_tables.log",
    conda:
        "../envs/cpu.yaml"
    params:
        rounding=experiment.evaluation.rounding[0],
        code=code_digest("paper_tables"),
    script:
        "../scripts/paper_tables.py"
