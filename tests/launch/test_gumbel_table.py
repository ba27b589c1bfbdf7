"""Table 1: what is still to do, what was chosen, which pairs keep their order; and a small one trained."""

import json

import pytest

from agents.gumbel_softmax.config import ESTIMATORS, PAPER
from launch import gumbel_table
from launch.gumbel_table import REFERENCE, Plan

ROW = "vae-categorical"


@pytest.fixture
def plan(tmp_path):
    return Plan(tmp_path, rows=(ROW,), estimators=("muprop", "gumbel_softmax"))


def finish(job, **results):
    job.folder.mkdir(parents=True, exist_ok=True)
    values = {"valid_nll": 100.0, "test_nll": 101.0, "data": "d", "cpu_hours": 0.1}
    (job.folder / "results.json").write_text(json.dumps(values | results))


def do_all(plan, valid=lambda job: 100.0, test=101.0):
    for _ in range(10):
        for job in plan.jobs():
            finish(job, valid_nll=valid(job), test_nll=test)
    return plan


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
    assert len(first) == 6 and all("screening" in job.name for job in first)
    assert all("--updates=20000" in job.arguments for job in first)
    for job in first:
        finish(job, valid_nll=99.0 if "lr 0.003" in job.name else 100.0)
    finals = plan.jobs()
    assert [job.name for job in finals] == [
        f"final {ROW} muprop lr 0.003 seed 0",
        f"final {ROW} gumbel_softmax lr 0.003-1e-05 seed 0",
        f"final {ROW} gumbel_softmax lr 0.003-0.0001 seed 0",
    ]
    assert "--temperature=anneal(1e-05, 0.5, 500)" in finals[1].arguments
    for job in finals:
        finish(job, valid_nll=95.0 if "1e-05" in job.name else 96.0)
    more = [job.name for job in plan.jobs()]
    assert more == [
        f"final {ROW} gumbel_softmax lr 0.003-1e-05 seed {seed}" for seed in (1, 2)
    ]
    do_all(plan)
    assert plan.jobs() == []


def test_a_rate_that_diverged_is_passed_over_and_a_cell_without_any_is_left_out(plan):
    for job in plan.jobs():
        if "muprop" in job.name or "lr 0.003" in job.name:
            job.folder.mkdir(parents=True)
            (job.folder / "results.json").write_text('{"diverged": true}')
        else:
            finish(job)
    do_all(plan)
    assert plan.best(ROW, "muprop") is None
    assert plan.best(ROW, "gumbel_softmax")[0] == 3e-4
    assert gumbel_table.table(plan) == {ROW: {"gumbel_softmax": 101.0}}


def test_the_table_is_written_beside_the_papers(plan, tmp_path):
    do_all(plan, test=104.0)
    made = gumbel_table.write(plan, tmp_path / "out", "the command")
    assert made["table"][ROW] == {"muprop": 104.0, "gumbel_softmax": 104.0}
    assert made["reference"][ROW]["gumbel_softmax"] == 101.5
    assert made["order"][ROW]["of"] == 1 and made["order"][ROW]["kept"] == 0
    assert made["cpu_hours"] == pytest.approx(0.1 * (6 + 1 + 2 + 2))
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
    assert (tmp_path / "out" / "table.png").stat().st_size > 5000


def test_the_papers_cells_come_before_the_newer_ones(tmp_path):
    order = [estimator for _, estimator in Plan(tmp_path).cells()]
    assert len(order) == 4 * len(ESTIMATORS)
    assert set(order[:28]) == set(PAPER)
