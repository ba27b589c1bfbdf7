"""Table 1: what is still to do, what was chosen, which pairs keep their order."""

import dataclasses
import json

import pytest

from agents.gumbel_softmax.config import ESTIMATORS, PAPER
from launch import gumbel_plan, gumbel_table
from launch.gumbel_plan import Cell, Plan
from launch.gumbel_table import REFERENCE

ROW = "vae-categorical"
MUPROP, GUMBEL = Cell(ROW, "muprop"), Cell(ROW, "gumbel_softmax")


@pytest.fixture
def plan(tmp_path):
    return Plan(tmp_path, rows=(ROW,), estimators=("muprop", "gumbel_softmax"))


def finish(job, **results):
    values = {"valid_nll": 100.0, "test_nll": 101.0, "data": "d", "cpu_hours": 0.1}
    write(job, values | {"updates": int(job.weight)} | results)


def diverge(job):
    write(job, {"diverged": True, "updates": 50})


def write(job, results):
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / "results.json").write_text(json.dumps(results))
    origin = {"command": f"run {job.name}", "commit": "abc"}
    (job.folder / "config.json").write_text(json.dumps(origin))


def do_all(plan, test=101.0):
    for _ in range(10):
        for job in plan.jobs():
            nats = 99.0 if "lr0.003" in job.name else 100.0
            finish(job, valid_nll=nats, test_nll=test)


def test_the_paper_has_28_cells_and_its_pairs_are_those_3_nats_apart():
    assert sum(map(len, REFERENCE.values())) == 28
    pairs = {row: gumbel_table.order(paper, paper) for row, paper in REFERENCE.items()}
    by_hand = {
        row: sum(a - b >= 3 for a in paper.values() for b in paper.values())
        for row, paper in REFERENCE.items()
    }
    assert {row: len(kept) for row, (kept, _) in pairs.items()} == by_hand
    assert not any(broken for _, broken in pairs.values())
    upside_down = {name: -value for name, value in REFERENCE[ROW].items()}
    kept, broken = gumbel_table.order(upside_down, REFERENCE[ROW])
    assert kept == [] and len(broken) == by_hand[ROW]


def test_screening_comes_first_then_the_best_rate_then_more_seeds(plan):
    first = plan.jobs()
    assert len(first) == 4 and all("screening" in job.name for job in first)
    assert all("--updates=20000" in job.arguments for job in first)
    for job in first:
        finish(job, valid_nll=99.0 if "lr0.003" in job.name else 100.0)
    finals = plan.jobs()
    assert [job.name for job in finals] == [
        f"final {ROW} muprop lr0.003 seed 0",
        f"final {ROW} gumbel_softmax lr0.003-1e-05 seed 0",
        f"final {ROW} gumbel_softmax lr0.003-0.0001 seed 0",
    ]
    assert "--temperature=anneal(1e-05, 0.5, 500)" in finals[1].arguments
    for job in finals:
        finish(job, valid_nll=95.0 if "1e-05" in job.name else 96.0)
    more = [job.name for job in plan.jobs()]
    assert more == [
        f"final {ROW} gumbel_softmax lr0.003-1e-05 seed {seed}" for seed in (1, 2)
    ]
    do_all(plan)
    assert plan.jobs() == []


def test_rates_are_tried_downwards_until_one_is_worse(plan):
    rates = {"lr0.003": 103.0, "lr0.001": 101.0, "lr0.0003": 102.0}
    for _ in range(3):
        for job in plan.jobs():
            rate = job.folder.parent.name.split("-")[0]
            finish(job, valid_nll=rates[rate])
    assert plan.best(MUPROP).rate == 1e-3
    assert plan.screened(MUPROP) == {3e-4: 102.0, 1e-3: 101.0, 3e-3: 103.0}


def test_a_chosen_run_goes_on_from_its_screening_and_other_settings_start_anew(plan):
    for job in plan.jobs():
        finish(job, valid_nll=99.0 if "lr0.003" in job.name else 100.0)
    begun = {job.folder.parent.name: job.begun for job in plan.jobs()}
    screening = plan.folder / "screening" / ROW
    assert begun == {
        "lr0.003": screening / "muprop/lr0.003/seed0",
        "lr0.003-1e-05": None,
        "lr0.003-0.0001": screening / "gumbel_softmax/lr0.003-0.0001/seed0",
    }


def test_a_run_of_fewer_updates_is_not_done(plan):
    do_all(plan)
    assert plan.jobs() == []
    longer = dataclasses.replace(plan, updates=200_000)
    assert {job.name for job in longer.jobs()} >= {f"final {ROW} muprop lr0.003 seed 0"}


def test_a_rate_that_diverged_is_passed_over_and_a_cell_without_any_is_left_out(plan):
    for _ in range(3):
        for job in plan.jobs():
            bad = "muprop" in job.name or "lr0.003" in job.name
            diverge(job) if bad else finish(job)
    do_all(plan)
    assert plan.best(MUPROP) is None
    assert plan.best(GUMBEL).rate == 3e-4
    assert gumbel_table.table(plan) == {ROW: {"gumbel_softmax": 101.0}}


def test_the_record_stands_for_runs_whose_folders_are_gone(plan, tmp_path):
    do_all(plan)
    gumbel_table.write(plan, tmp_path / "out", "the command")
    record = gumbel_plan.read_record(tmp_path / "out")
    commands = {each["command"] for each in record.values()}
    assert f"run final {ROW} muprop lr0.003 seed 0" in commands
    elsewhere = dataclasses.replace(plan, folder=tmp_path / "new", record=record)
    assert elsewhere.jobs() == []
    assert gumbel_table.table(elsewhere) == gumbel_table.table(plan)
    gumbel_table.write(elsewhere, tmp_path / "again", "the command")
    assert gumbel_plan.read_record(tmp_path / "again") == record


def test_the_table_is_written_beside_the_papers(plan, tmp_path):
    do_all(plan, test=104.0)
    made = gumbel_table.write(plan, tmp_path / "out", "the command")
    assert made["table"][ROW] == {"muprop": 104.0, "gumbel_softmax": 104.0}
    assert made["reference"][ROW]["gumbel_softmax"] == 101.5
    assert made["order"][ROW]["of"] == 1 and made["order"][ROW]["kept"] == 0
    # Two rates in each cell, one of each going on; three finals of the first seed, two more seeds.
    assert made["cpu_hours"] == pytest.approx(0.1 * (2 + 3 + 2))
    assert [r["seed"] for r in made["cells"][ROW]["gumbel_softmax"]["runs"]] == [
        0,
        1,
        2,
    ]
    lines = (tmp_path / "out" / "table.csv").read_text().splitlines()
    assert lines == [
        "row,source,muprop,gumbel_softmax",
        f"{ROW},here,104.0,104.0",
        f"{ROW},paper,107.0,101.5",
    ]
    page = (tmp_path / "out" / "table.md").read_text()
    assert "| `gumbel_softmax` | 104.0 / 101.5 (3) |" in page
    assert f"- {ROW}: 0 of 1 in the paper's order; not gumbel_softmax < muprop" in page
    assert (tmp_path / "out" / "table.png").stat().st_size > 5000


def test_the_papers_cells_come_before_the_newer_ones(tmp_path):
    order = [cell.estimator for cell in Plan(tmp_path).cells()]
    assert len(order) == 4 * len(ESTIMATORS)
    assert set(order[:28]) == set(PAPER)
