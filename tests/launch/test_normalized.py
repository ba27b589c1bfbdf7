"""Scores against people: the paper's table from its own data, and the rules by hand."""

import numpy as np
import pytest

from launch import normalized

KNOWN = {
    "a": {"random": 0.0, "gamer": 10.0, "record": 100.0},
    "b": {"random": -20.0, "gamer": 0.0, "record": 20.0},
    "c": {"random": 5.0, "gamer": 6.0, "record": 7.0},
}
# Gamer median, gamer mean, record mean, clipped record mean, as the lecture's slide and the data's own file have them.
LECTURE = {
    "DreamerV2": (2.15, 42.26, 0.44, 0.28),
    "DreamerV2 (schedules)": (2.64, 31.71, 0.43, 0.28),
    "IMPALA": (1.92, 16.72, 0.34, 0.23),
    "IQN": (1.29, 11.27, 0.21, 0.21),
    "Rainbow": (1.47, 9.95, 0.17, 0.17),
    "C51": (1.09, 8.25, 0.15, 0.15),
    "DQN": (0.65, 3.28, 0.12, 0.12),
}


def test_the_lectures_table_comes_out_of_the_published_returns():
    table = normalized.published_table()
    assert list(table) == list(LECTURE)
    for row, wanted in LECTURE.items():
        found = [round(table[row][name], 2) for name in normalized.COLUMNS]
        assert found == pytest.approx(wanted, abs=0.0051), row


def test_james_bonds_gamer_is_what_the_two_gamer_means_differ_by():
    known = normalized.levels()
    known["atari:Jamesbond"] = known["atari:Jamesbond"] | {"gamer": 302.8}
    runs = {
        each["env"]: [each["curve"][-1][1]]
        for each in normalized.published()["results"]
        if each["env"] in known
    }
    assert normalized.aggregate(runs, known)["gamer mean"] == pytest.approx(
        11.33, abs=0.01
    )


def test_runs_are_clipped_before_they_are_averaged_and_games_come_last():
    runs = {"a": [200.0, 0.0], "b": [0.0], "c": [6.0, 6.0, 6.0]}
    found = normalized.aggregate(runs, KNOWN)
    # by hand: gamer a (20 + 0) / 2, b 1, c 1; record a (2 + 0) / 2, b 0.5, c 0.5; clipped a (1 + 0) / 2
    assert found == {
        "gamer median": 1.0,
        "gamer mean": 4.0,
        "record mean": pytest.approx(2 / 3),
        "clipped record mean": pytest.approx(0.5),
    }


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({"aa": [1.0]}, "no levels are known for 'aa'. Did you mean 'a'"),
        ({"a": [np.nan]}, "a has a return that is NaN or infinite"),
        ({"a": []}, "expected \\[runs\\]"),
        ({}, "no game to sum up"),
    ],
)
def test_bad_scores_are_told_in_one_sentence(runs, said):
    with pytest.raises(ValueError, match=said):
        normalized.aggregate(runs, KNOWN)
