"""Commands side by side: planned again after each, stopped together, one core each."""

import io
import os
import signal
import threading
import time

from rich.console import Console

from launch import jobs
from launch.jobs import Job


def quiet():
    return Console(file=io.StringIO(), width=120)


def job(folder, name, code):
    return Job(name, ("-c", code), folder / name, 1.0)


def test_jobs_that_appear_after_others_are_run_too_and_failures_only_once(tmp_path):
    ended = []

    def plan():
        done = {name for name, _ in ended}
        if "first" not in done:
            return [
                job(tmp_path, "first", "print('hello')"),
                job(tmp_path, "bad", "raise SystemExit(3)"),
            ]
        # What failed is still wanted by the plan, but not tried again.
        later = [job(tmp_path, "bad", "raise SystemExit(3)")]
        return later + [job(tmp_path, "last", "")] * ("last" not in done)

    status = jobs.run(plan, 2, lambda job, rc: ended.append((job.name, rc)), quiet())
    assert status == 0
    assert sorted(ended) == [("bad", 3), ("first", 0), ("last", 0)]
    log = (tmp_path / "first" / "log.txt").read_text().splitlines()
    assert log[0].startswith("$ ") and log[1] == "hello"


def test_a_job_begins_with_a_copy_of_what_it_goes_on_from_but_without_its_results(
    tmp_path,
):
    old = tmp_path / "old"
    (old / "checkpoints").mkdir(parents=True)
    for name in ("checkpoints/1", "results.json", "log.txt", "lock", "metrics.jsonl"):
        (old / name).write_text("old")
    todo = [job(tmp_path, "new", "")._replace(begun=old)]
    jobs.run(lambda: todo, 1, lambda job, rc: todo.clear(), quiet())
    found = {p.name for p in (tmp_path / "new").rglob("*") if p.is_file()}
    assert found == {"1", "metrics.jsonl", "log.txt"}
    assert "old" not in (tmp_path / "new/log.txt").read_text()
    # A folder that is there is left as it is.
    (tmp_path / "new/metrics.jsonl").write_text("new")
    todo = [job(tmp_path, "new", "")._replace(begun=old)]
    jobs.run(lambda: todo, 1, lambda job, rc: todo.clear(), quiet())
    assert (tmp_path / "new/metrics.jsonl").read_text() == "new"


def test_every_process_has_one_core_and_one_thread(tmp_path):
    code = "import os; print(os.sched_getaffinity(0), os.environ['TF_NUM_INTRAOP_THREADS'])"
    left = [
        job(tmp_path, name, f"import time; time.sleep(0.3); {code}") for name in "ab"
    ]
    todo = {each.name: each for each in left}
    jobs.run(lambda: list(todo.values()), 2, lambda j, rc: todo.pop(j.name), quiet())
    seen = [(tmp_path / n / "log.txt").read_text().splitlines()[-1] for n in "ab"]
    cores = sorted(os.sched_getaffinity(0))
    wanted = {f"{{{core}}} 1" for core in cores[:2]}
    assert set(seen) == (wanted if len(cores) > 1 else {*wanted, f"{set(cores)} 1"})


def test_a_signal_is_passed_on_and_nothing_new_begins(tmp_path):
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(1)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    log, ended = tmp_path / "long" / "log.txt", []

    def interrupt():
        while not (log.exists() and "\nready" in log.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    plan = [job(tmp_path, "long", code), job(tmp_path, "never", "")]
    status = jobs.run(lambda: plan, 1, lambda j, rc: ended.append(j), quiet())
    thread.join()
    assert status == signal.SIGTERM and ended == []
    assert log.read_text().endswith("saved\n") and not (tmp_path / "never").exists()
