import numpy as np
import pytest
import tensorflow as tf

import estimators


@pytest.mark.parametrize(("channels", "want"), [(1, -3763.9692), (3, -11291.933)])
def test_a_perfect_picture_has_the_published_log_likelihood(channels, want):
    image = tf.random.stateless_normal([2, 64, 64, channels], [1, 2])
    got = estimators.unit_normal_log_prob(image, image, event_rank=3)
    np.testing.assert_allclose(got, [want, want], rtol=2e-6)


def test_unit_normal_sums_squared_errors_over_the_event():
    rng = np.random.default_rng(0)
    mean, value = rng.normal(size=(2, 4, 5, 6))
    each = -0.5 * (mean - value) ** 2 - 0.9189385332
    for rank, want in ((0, each), (1, each.sum(-1)), (2, each.sum((-2, -1)))):
        got = estimators.unit_normal_log_prob(mean, value, event_rank=rank)
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_soft_bernoulli_target_gives_the_published_numbers():
    got = estimators.bernoulli_log_prob(tf.constant([2.0, 2.0]), [0.999, 0.0])
    np.testing.assert_allclose(got, [-0.12892798, -2.126928], rtol=1e-6)


def test_bernoulli_stays_exact_at_large_logits():
    got = estimators.bernoulli_log_prob(tf.constant([30.0, -200.0]), [1.0, 1.0])
    np.testing.assert_allclose(got, [-np.log1p(np.exp(-30.0)), -200.0], rtol=1e-6)


def test_a_prediction_that_would_broadcast_is_refused():
    with pytest.raises(ValueError, match="value has shape"):
        estimators.unit_normal_log_prob(tf.zeros([4, 1]), tf.zeros([4]))
