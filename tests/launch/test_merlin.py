"""launch.merlin: its own tasks, and what their size decides."""

import json

import pytest


def test_the_size_of_a_task_fits_memory_and_windows(launch, tmp_path):
    text = launch("merlin")(
        "--task=memory_game",
        "--size=6",
        "--preset=memory_game,debug",
        "--agent=rl_mem",
        "--video_every=0",
        f"--logdir={tmp_path / 'run'}",
    )
    assert "merlin on zoo:MemoryGame6-v0" in text and "rl_mem" in text
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["run"]["env"] == "zoo:MemoryGame6-v0"
    assert (saved["config"]["slots"], saved["config"]["length"]) == (12, 12)
    assert saved["config"]["agent"] == "rl_mem" and saved["variants"] == ["rl_mem"]
    assert "--agent=rl_mem" in saved["command"] and "--slots=12" in saved["command"]


def test_what_is_given_wins_over_what_the_task_sets(launch, tmp_path):
    launch("merlin")(
        "--task=memory_length",
        "--size=10",
        "--preset=memory_length,debug",
        "--slots=4",
        "--video_every=0",
        f"--logdir={tmp_path / 'run'}",
    )
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["run"]["env"] == "zoo:MemoryLength10-v0"
    assert saved["config"]["slots"] == 4


@pytest.mark.parametrize(
    ("arguments", "env", "preset", "slots"),
    [
        (["--env=popgym:AutoencodeEasy-v0"], "popgym:AutoencodeEasy-v0", "popgym", 112),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (
                    ["--task=memory_game_pictures", "--size=4"],
                    "zoo:MemoryGame4Pictures-v0",
                    "memory_game",
                    8,
                ),
                (
                    ["--task=memory_length_distractors", "--size=10"],
                    "zoo:MemoryLength10Distractors-v0",
                    "memory_length",
                    10,
                ),
                (
                    ["--task=minigrid_memory", "--size=7"],
                    "zoo:MiniGridMemory7-v0",
                    "minigrid_memory",
                    20,
                ),
            )
        ),
    ],
)
def test_every_other_task_learns_with_the_preset_made_for_it(
    launch, tmp_path, arguments, env, preset, slots
):
    launch("merlin")(
        *arguments,
        "--num_envs=2",
        "--env_steps=80",
        "--video_every=0",
        f"--logdir={tmp_path / 'run'}",
    )
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (saved["run"]["env"], saved["preset"]) == (env, preset)
    assert saved["config"]["slots"] == slots
    last = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["updates"] >= 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size=6"], "--size came without --task"),
        (["--task=memory_game", "--env=zoo:Catch-v0"], "--task came with --env"),
        (["--task=memory_game", "--size=7"], "MemoryGame7"),
        (["--task=memory_length", "--size=0"], "--size=0: 0 is not a positive integer"),
        (["--task=memory"], "memory_length"),
        (
            ["--task=memory_length", "--agent=rl_lstm", "--ablate=no_memory"],
            "an agent with a memory to leave out is expected: merlin or rl_mem",
        ),
    ],
)
def test_a_wrong_task_is_one_sentence(launch, arguments, message):
    assert message in launch("merlin")(*arguments, ok=False)
