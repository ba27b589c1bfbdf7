"""What `launch.league` shows of a population, on the terminal and as a page."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from agents import matches, registry, training
from agents.checkpoint import Checkpoints
from agents.ftw.config import FTWConfig
from agents.ftw.league import League, LeagueConfig
from agents.ftw.population import ranges
from envs.ctf_rules import EVENTS
from launch import league, sides

MEMBERS = 3


@pytest.fixture
def logdir(tmp_path):
    """A run of three members, of whom the last copied the first at game 400."""
    made = League(LeagueConfig(MEMBERS, burn_in=1), ranges(FTWConfig()), seed=0)
    records = []
    for line in range(5):
        for _ in range(100):
            made.report([0, 2], 1)
        if line == 3:
            made.ratings[2] = 500
            made._exploit(2, 0, 0.08, np.random.default_rng(0))
        record = {"env_steps": 1000 * (line + 1), "games": made.played}
        record["exploits"] = len(made.lineage)
        for member, hyper in enumerate(made.hyper):
            prefix = f"member{member}/"
            record[prefix + "elo"] = made.ratings[member]
            for name, value in hyper.items():
                if value.ndim:
                    record |= {
                        f"{prefix}{name}_{i}": float(v) for i, v in enumerate(value)
                    }
                else:
                    record[prefix + name] = float(value)
        records.append(record)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "metrics.jsonl").write_text(lines)
    config = {"population": MEMBERS}
    run = {"env": "ctf:small", "env_steps": 10_000}
    registry.write_config(
        tmp_path,
        {"agent": "ftw", "seed": 0, "spaces": {}, "config": config, "run": run}
        | {"command": "python -m launch.ftw --population=3", "commit": "abc"},
    )
    tree = {"agent": {"league": made.get_state()}}
    Checkpoints(tmp_path / "checkpoints").save(5000, tree)
    return tmp_path


def printed(shown, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(league.screen(shown))
    return console.file.getvalue()


def test_the_screen_ranks_the_members_and_tells_of_copies(logdir):
    shown = league.read(logdir)
    text = printed(shown)
    assert "3 members on ctf:small: 500 games, 5,000 of 10,000 steps, 1 copy" in text
    rows = [line for line in text.splitlines()[1:] if line[:2].strip().isdigit()]
    elos = [int(row.split()[1]) for row in rows]
    assert len(rows) == MEMBERS and elos == sorted(elos, reverse=True)
    assert "game 400: member 2 copied member 0, against which it won 8%" in text
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text


def test_the_page_has_every_number_and_event_and_the_tree(logdir):
    text = league.document(league.read(logdir))
    for name in EVENTS:
        assert f"{name.replace('_', ' ')} over games" in text
    for key in league.NUMBERS:
        assert f"{key.replace('_', ' ')} over games" in text
    assert "member 2 copied member 0" in text and "python -m launch.ftw" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    ids = [part.split('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_a_run_that_has_just_begun_can_be_looked_at(logdir):
    (logdir / "metrics.jsonl").unlink()
    shown = league.read(logdir)._replace(league={})
    assert "nothing logged yet" in printed(shown)
    assert "No member has copied" in printed(shown)
    assert "nothing logged yet" in league.document(shown)


def test_trends_are_bars_from_the_least_to_the_largest():
    assert league.trend([]) == ""
    assert len(set(league.trend([3, 3]))) == 1
    assert league.trend(range(8)) == "▁▂▃▄▅▆▇█"
    assert len(league.trend(range(1000), 12)) == 12


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0"), (2.5e-4, "2.5e-4"), (0.31, "0.31"), (17.0, "17")],
)
def test_numbers_are_short(value, text):
    assert league._number(value) == text


def test_other_folders_are_refused_in_a_sentence(logdir, tmp_path):
    config = json.loads((logdir / "config.json").read_text())
    config["config"]["population"] = 1
    (logdir / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"no population: python -m launch.ftw"):
        league.read(logdir)
    with pytest.raises(FileNotFoundError, match="holds no agent"):
        league.read(tmp_path / "nothing")


def test_the_launcher_writes_the_page(logdir, tmp_path, launch):
    target = tmp_path / "pages" / "league.html"
    text = launch("league")(f"--logdir={logdir}", f"--html={target}")
    assert "members on ctf:small" in text and target.stat().st_size > 10_000


def test_a_shipped_league_is_shown_as_the_run_was_and_its_members_play(tmp_path):
    run, kept = tmp_path / "run", tmp_path / "kept"
    chosen = training.settings(
        "ftw",
        preset="debug",
        env="ctf:small",
        env_options="length=20",
        population=2,
        env_steps=160,
        logdir=str(run),
    )
    agent = training.train(chosen)
    agent.close()
    before = league.read(run)
    league.ship(before, kept)
    after = league.read(kept)
    assert printed(after) == printed(before)
    assert after.league["lineage"] == before.league["lineage"]
    member = registry.load(kept / "member1")
    wanted = agent.members[1].acting_state()["variables"]
    for name, value in member.acting_state()["variables"].items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-2, atol=1e-6)
    assert str(run) not in (kept / "league.json").read_text()
    side = sides.load(str(kept / "member0")).side
    games = matches.make_games(chosen.run, 2)
    other = sides.load("random").side
    assert matches.play(side, other, games, 2, seed=0).games >= 2
    with pytest.raises(ValueError, match="no checkpoint to ship"):
        league.ship(after, tmp_path / "again")
