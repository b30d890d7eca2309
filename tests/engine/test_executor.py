"""Corrections of the executor plugin for Slurm."""

import asyncio
import importlib
import inspect
from types import SimpleNamespace

from derain.engine.slurm import correct_slurm_executor


def test_states_of_slurm_are_cut_to_the_word_that_the_executor_plugin_knows(monkeypatch):
    plugin = importlib.import_module("snakemake_executor_plugin_slurm")
    answers = iter([({"7": "CANCELLED by 1000", "8": "RUNNING", "9": ""}, 0.1), (None, None), ({}, 0.1)])

    async def query(command, logger):
        return next(answers)

    monkeypatch.setattr(plugin, "query_job_status", query)
    monkeypatch.setattr(plugin, "get_submit_command", None)
    monkeypatch.setattr(plugin.Executor, "report_job_error", plugin.Executor.report_job_error)
    correct_slurm_executor(lambda minutes: minutes)
    answered = [asyncio.run(plugin.query_job_status("sacct", None)) for _ in range(3)]
    assert answered == [({"7": "CANCELLED", "8": "RUNNING", "9": ""}, 0.1), (None, None), ({}, 0.1)]
    assert '"CANCELLED",' in inspect.getsource(plugin.Executor.check_active_jobs)


def test_what_is_no_node_is_not_excluded_from_later_jobs_of_slurm(monkeypatch):
    plugin = importlib.import_module("snakemake_executor_plugin_slurm")
    monkeypatch.setattr(plugin, "get_submit_command", lambda job, failed_nodes, settings: f"job {failed_nodes}")
    monkeypatch.setattr(plugin, "query_job_status", None)
    monkeypatch.setattr(plugin.Executor, "report_job_error", plugin.Executor.report_job_error)
    correct_slurm_executor(lambda minutes: minutes)
    job = SimpleNamespace(resources={})
    assert plugin.get_submit_command(job, settings=None, failed_nodes={"None assigned", "node1"}) == "job {'node1'}"
    assert "failed_nodes=self._failed_nodes" in inspect.getsource(plugin.Executor.run_job)


def test_a_job_of_slurm_requests_no_more_time_than_it_may(monkeypatch):
    """`runtime` of a group is the sum of its parts'. Of several options -t, sbatch takes the last one."""
    plugin = importlib.import_module("snakemake_executor_plugin_slurm")
    monkeypatch.setattr(plugin, "query_job_status", None)
    monkeypatch.setattr(plugin, "get_submit_command", lambda job, failed_nodes, settings: "sbatch -t 2880")
    monkeypatch.setattr(plugin.Executor, "report_job_error", plugin.Executor.report_job_error)
    correct_slurm_executor(lambda minutes: min(minutes, 90))
    for resources, command in (({"runtime": 2880}, "sbatch -t 2880 -t 90"), ({"runtime": 90}, "sbatch -t 2880")):
        job = SimpleNamespace(resources=resources)
        assert plugin.get_submit_command(job, settings=None, failed_nodes=set()) == command
    source = inspect.getsource(plugin.Executor.run_job)
    assert "get_submit_command(\n                job," in source
