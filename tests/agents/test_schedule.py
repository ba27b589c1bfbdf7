import json

import pytest

from agents.every import Every
from agents.schedule import Schedule, parse


@pytest.mark.parametrize(
    "text, step, want",
    [
        ("linear(3e-3,3e-4,100)", 50, 1.65e-3),
        ("linear(3e-3,3e-4,100)", 0, 3e-3),
        ("linear(3e-3,3e-4,100)", 1000, 3e-4),
        ("warmup(100,2.0)", 25, 0.5),
        ("warmup(100,2.0)", 400, 2.0),
        ("exp(1.0,0.1,10)", 10, 0.55),
        ("exp(1.0,0.1,10)", 20, 0.325),
        ("horizon(10,100,100)", 50, 1 - 1 / 55),
        ("horizon(10, 100, 100)", 100, 0.99),
        ("0.25", 7, 0.25),
        (3, 7, 3.0),
        (1e-5, 0, 1e-5),
    ],
)
def test_a_schedule_has_the_published_values(text, step, want):
    assert parse(text)(step) == pytest.approx(want, rel=1e-7)


@pytest.mark.parametrize(
    "value", ["linear(3e-3,3e-4,100)", 0.1, 1e-5, 1 / 3, 5, 123_456_789, 1e30, "-2.5"]
)
def test_a_schedule_written_into_json_reads_back_the_same(value):
    schedule = parse(value)
    again = parse(json.loads(json.dumps(str(schedule))))
    assert again == schedule
    assert [again(step) for step in (0, 37, 100)] == [
        schedule(step) for step in (0, 37, 100)
    ]


def test_parsing_a_schedule_gives_the_schedule_itself():
    schedule = Schedule("warmup", (100.0, 2.0))
    assert parse(schedule) is schedule


@pytest.mark.parametrize(
    "text, words",
    [
        ("linaer(1,2,3)", "Did you mean linear"),
        ("cosine_restarts(1,2,3)", "horizon(initial, final, steps)"),
        ("linear(1,2)", "has 2 arguments; linear takes 3"),
        ("linear()", "has 0 arguments"),
        ("linear(1,two,3)", "Cannot read"),
        ("linear(1,2,3", "Cannot read"),
        ("fast", "Cannot read"),
        ("", "arguments"),
        ("linear(1,2,0)", "more than 0"),
        ("exp(1,nan,5)", "finite"),
        ("horizon(0,100,100)", "at least 1"),
        (True, "Cannot read"),
    ],
)
def test_a_wrong_schedule_says_what_is_wrong(text, words):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert words in str(error.value)


def test_every_fires_once_per_multiple_even_when_the_counter_jumps():
    every = Every(10)
    assert [s for s in range(0, 60, 4) if every.should(s)] == [12, 20, 32, 40, 52]
    assert every.should(200) and not every.should(201)
    assert every.should(210)


def test_every_with_zero_or_none_never_fires():
    assert not any(Every(n).should(step) for n in (0, None) for step in range(100))


def test_every_counts_from_its_start():
    every = Every(10, start=5)
    assert [s for s in range(40) if every.should(s)] == [15, 25, 35]


def test_a_restored_trigger_fires_where_the_first_would_have():
    first, second = Every(10), Every(10)
    assert first.should(13)
    second.set_state(first.get_state())
    assert [s for s in range(14, 45) if first.should(s)] == [
        s for s in range(14, 45) if second.should(s)
    ]


def test_a_negative_period_is_refused():
    with pytest.raises(ValueError, match="-3"):
        Every(-3)
