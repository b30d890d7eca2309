"""The table of costs, from benchmark files as the engine writes them."""

import os

import pytest
from derain.run.cost import benchmarks, cost_rows, forget, renew

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def _write(folder, **jobs):
    """A benchmark file a job: seconds, memory and CPU time."""
    files = []
    for name, (seconds, memory, cpu) in jobs.items():
        files.append(folder / f"{name}.tsv")
        files[-1].write_text(f"{HEADER}{seconds}\t0:00:01\t{memory}\t9.0\t9.0\t9.0\t9.0\t9.0\t9.0\t{cpu}\n")
    return list(map(str, files))


def test_seconds_are_summed_and_memory_is_that_of_the_largest_job(tmp_path):
    files = _write(tmp_path, a=(1.25, 100.26, 0.5), b=(2.5, 300.04, 4.0))
    assert list(cost_rows({"next": files})) == [
        {"rule": "next", "jobs": 2, "seconds": "3.75", "cpu_seconds": "4.50", "max_rss_mib": "300.0"}
    ]


def test_what_the_engine_had_no_time_to_measure_is_left_out(tmp_path):
    files = _write(tmp_path, a=(0.25, "NA", "NA"), b=(2.5, 300.0, 4.0))
    (both,) = cost_rows({"pack": files})
    assert (both["seconds"], both["cpu_seconds"], both["max_rss_mib"]) == ("2.75", "4.00", "300.0")
    (short,) = cost_rows({"pack": files[:1]})
    assert (short["jobs"], short["seconds"], short["cpu_seconds"], short["max_rss_mib"]) == (1, "0.25", "", "")


def test_missing_and_damaged_files_count_for_nothing(tmp_path):
    (tmp_path / "empty.tsv").touch()
    (tmp_path / "noise.tsv").write_bytes(b"\xff\x00\n" * 9)
    (tmp_path / "cut.tsv").write_text(f"{HEADER}1.5\t0:00:0")
    (tmp_path / "words.tsv").write_text(f"{HEADER}a\tb\tc\td\te\tf\tg\th\ti\tj\n")
    os.mkfifo(tmp_path / "fifo.tsv")
    (tmp_path / "folder.tsv").mkdir()
    bad = [str(tmp_path / f"{name}.tsv") for name in ("empty", "noise", "cut", "words", "fifo", "folder", "missing")]
    files = [*_write(tmp_path, a=(1, 2, 3)), *bad]
    assert [row["jobs"] for row in cost_rows({"next": files, "joint": files[1:]})] == [1]


def test_a_benchmark_lies_below_its_rule_where_the_output_lies_in_the_results():
    theta = "results/stages/net/seed0/first/1.5/theta.safetensors"
    shard = "results/stages/net/seed0/first/a/omega-gradient.shard0of2.safetensors"
    assert benchmarks({"first": [theta], "importance_shard": [shard]}) == {
        "first": ["results/benchmarks/first/stages/net/seed0/first/1.5/theta.tsv"],
        "importance_shard": [
            "results/benchmarks/importance_shard/stages/net/seed0/first/a/omega-gradient.shard0of2.tsv"
        ],
    }


@pytest.mark.parametrize("rule", ["next", "importance_shard"])
def test_what_is_taken_from_a_store_costs_nothing_and_the_rest_stays(rule, tmp_path, monkeypatch):
    """As where the benchmark is that of an earlier job here, of another config."""
    monkeypatch.chdir(tmp_path)
    taken, other = "results/stages/a/theta.safetensors", "results/stages/a/b/theta.safetensors"
    files = [file for each in benchmarks({rule: [taken, other], "evaluate": [other]}).values() for file in each]
    for file in map(tmp_path.joinpath, files):
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file.parent, theta=(1, 2, 3))
    forget([taken, "results/stages/a/training.csv"])
    assert [os.path.exists(file) for file in files] == [False, True, True]
    assert [row["jobs"] for row in cost_rows({rule: files[:2]})] == [1]


def test_old_benchmarks_are_made_new_and_nothing_else(tmp_path):
    (file,) = _write(tmp_path, a=(1, 2, 3))
    other = tmp_path / "pixels.bin"
    other.touch()
    for path in (file, other):
        os.utime(path, (1, 1))
    renew(tmp_path)
    assert os.stat(file).st_mtime > 1e9
    assert os.stat(other).st_mtime == pytest.approx(1)
