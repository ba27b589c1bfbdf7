import math

import numpy as np
import pytest
import tensorflow as tf

import estimators

SCHEDULES = {
    "paper": estimators.ExponentialFloor(1e-5),
    "in steps": estimators.ExponentialFloor(1e-4, floor=0.2, every=1000),
    "half wave": estimators.Cosine(),
    "quarter wave": estimators.Cosine(2.0, 0.5, 1000, quarter=True),
    "slope": estimators.Slope(updates_per_epoch=500),
}
UPDATES = [0, 1, 499, 500, 999, 1000, 37_500, 69_315, 150_000, 1_000_000]


@pytest.mark.parametrize(
    ("rate", "updates"), [(1e-5, 69_315), (1e-4, 6_932), (3e-5, 23_105)]
)
def test_the_exponential_reaches_its_floor_after_ln_2_over_the_rate(rate, updates):
    schedule = estimators.ExponentialFloor(rate)
    assert schedule(0) == 1
    assert updates == math.ceil(math.log(2) / rate)
    assert schedule(updates - 1) > 0.5 == schedule(updates) == schedule(10 * updates)
    assert schedule(1000) == pytest.approx(math.exp(-1000 * rate))


@pytest.mark.parametrize("every", [500, 1000, 2000])
def test_the_exponential_changes_only_every_so_many_updates(every):
    schedule = estimators.ExponentialFloor(1e-4, every=every)
    values = [schedule(t) for t in range(0, 4 * every)]
    assert len(set(values)) == 4
    assert set(values[:every]) == {1.0}
    assert values[every] == pytest.approx(math.exp(-1e-4 * every))
    assert values[2 * every - 1] == values[every]


def test_the_cosine_falls_from_one_to_a_sixteenth_over_150_000_updates():
    schedule = estimators.Cosine()
    assert schedule(0) == 1
    assert schedule(75_000) == pytest.approx((1 + 1 / 16) / 2)
    assert schedule(150_000) == schedule(10**7) == pytest.approx(1 / 16, abs=1e-12)
    values = np.array([schedule(t) for t in range(0, 150_001, 1000)])
    assert (np.diff(values) < 0).all()
    steps = -np.diff(values)
    assert steps.argmax() in (74, 75)  # steepest in the middle, flat at both ends
    assert steps[0] < 0.02 * steps.max() and steps[-1] < 0.02 * steps.max()


def test_the_quarter_wave_ends_at_its_steepest():
    schedule = estimators.Cosine(quarter=True)
    assert schedule(0) == 1
    assert schedule(75_000) == pytest.approx(1 - 15 / 16 * (1 - math.sqrt(0.5)))
    assert schedule(150_000) == schedule(10**7) == pytest.approx(1 / 16, abs=1e-12)
    steps = -np.diff([schedule(t) for t in range(0, 150_001, 1000)])
    assert (np.diff(steps) > 0).all()


def test_a_cosine_may_rise():
    schedule = estimators.Cosine(1.0, 5.0, 100)
    assert (schedule(0), schedule(100)) == (1, pytest.approx(5))
    assert schedule(50) == pytest.approx(3)


def test_the_slope_rises_by_its_rate_in_each_epoch_up_to_five():
    schedule = estimators.Slope(updates_per_epoch=500)
    assert [schedule(t) for t in (0, 499)] == [1, 1]
    assert schedule(500) == schedule(999) == pytest.approx(1.04)
    assert schedule(99 * 500) == pytest.approx(1 + 0.04 * 99)
    assert schedule(100 * 500) == schedule(10**6) == 5


@pytest.mark.parametrize("name", SCHEDULES)
def test_tensors_give_what_numbers_give(name):
    schedule = SCHEDULES[name]
    in_graph = tf.function(schedule)
    for update in UPDATES:
        want = pytest.approx(schedule(update), rel=1e-5)
        assert float(schedule(np.int64(update))) == want
        assert float(schedule(tf.constant(update))) == want
        assert float(schedule(tf.Variable(update, dtype=tf.int64))) == want
        assert float(in_graph(tf.constant(update, tf.int64))) == want
    assert isinstance(schedule(5), float)
    assert schedule(tf.constant(5)).dtype == tf.float32
    assert in_graph.experimental_get_tracing_count() == 1


def test_one_graph_serves_a_temperature_that_changes():
    schedule, traces = estimators.ExponentialFloor(1e-2, floor=0.01), []

    @tf.function(jit_compile=True)
    def sample(update):
        traces.append(1)
        return estimators.gumbel_softmax([[1.0, 0.0]], [[0.3, 0.0]], schedule(update))

    first, later = (float(sample(tf.constant(t))[0, 0]) for t in (0, 300))
    assert first == pytest.approx(1 / (1 + math.exp(-1.3)))
    assert later > 0.99999 and len(traces) == 1


def test_schedules_with_equal_settings_are_equal():
    assert estimators.Cosine() == estimators.Cosine(1.0, 1 / 16, 150_000)
    assert estimators.Slope(10) != estimators.Slope(20)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: estimators.ExponentialFloor(-1e-5), "rate must not be negative"),
        (lambda: estimators.ExponentialFloor(1e-5, floor=0.0), "floor"),
        (lambda: estimators.ExponentialFloor(1e-5, every=0), "every"),
        (lambda: estimators.Cosine(final=0.0), "final"),
        (lambda: estimators.Cosine(initial=-1.0), "initial"),
        (lambda: estimators.Cosine(updates=0), "updates"),
        (lambda: estimators.Slope(0), "updates_per_epoch"),
        (lambda: estimators.Slope(1, rate=0.0), "rate"),
        (lambda: estimators.Slope(1, maximum=-1.0), "maximum"),
    ],
)
def test_settings_that_make_no_schedule_are_refused(make, name):
    with pytest.raises(ValueError, match=f"{name}.*got"):
        make()
