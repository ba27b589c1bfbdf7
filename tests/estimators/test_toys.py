"""Each estimator against numbers that an independent NumPy program measured on the same two problems."""

import numpy as np
import pytest
import tensorflow as tf

from estimators import exact
from tests.estimators import toys

# Estimator and options | mean and total variance, cost quad | the same, cost exp; of 100,000 draws. 'exact' stands for
# a mean equal to the exact gradient.
ONE_OF_FOUR = """
score_function                       | exact                           | 0.1758 | exact                                   | 7.3799
score_function baseline=mean         | exact                           | 0.0469 | exact                                   | 3.7838
score_function baseline=optimal      | exact                           | 0.0395 | exact                                   | 3.3617
rloo                                 | exact                           | 0.0931 | exact                                   | 3.6122
rloo samples=4                       | exact                           | 0.0234 | exact                                   | 1.2368
disarm                               | exact                           | 0.0946 | exact                                   | 3.0540
darn                                 | -0.2658 -0.1154 +0.3444 +0.0367 | 0.7110 | -0.3647 +0.2807 -0.6224 +0.7065         | 10.3464
muprop                               | exact                           | 0.3749 | exact                                   | 2.2116
straight_through                     | -0.0237 -0.1168 +0.2225 -0.0820 | 0.1315 | +0.0673 +0.3316 -0.6315 +0.2327         | 0.8522
straight_through temperature=0.5     | -0.1513 -0.1248 +0.3123 -0.0362 | 0.2564 | +0.4295 +0.3544 -0.8867 +0.1029         | 1.6622
reinmax                              | exact                           | 0.3218 | -0.203798 +0.415823 -0.834029 +0.622004 | 7.6713
reinmax temperature=1.3              | -0.1110 -0.0843 +0.2215 -0.0263 | 0.3452 | -0.2595 +0.3977 -0.7822 +0.6440         | 6.7408
gumbel_softmax temperature=2.0       | -0.0011 -0.0255 +0.0509 -0.0243 | 0.0048 | -0.0600 +0.1374 -0.2659 +0.1885         | 0.0472
gumbel_softmax temperature=1.0       | -0.0253 -0.0555 +0.1143 -0.0335 | 0.0282 | -0.0716 +0.2069 -0.3813 +0.2460         | 0.3217
gumbel_softmax temperature=0.5       | -0.0682 -0.0705 +0.1590 -0.0203 | 0.1084 | -0.0885 +0.2623 -0.4746 +0.3009         | 1.3660
gumbel_softmax temperature=0.1       | -0.1206 -0.0591 +0.1697 +0.0101 | 0.8858 | -0.1381 +0.3143 -0.5617 +0.3854         | 12.8854
st_gumbel_softmax temperature=2.0    | -0.0013 -0.0558 +0.1180 -0.0609 | 0.0512 | -0.0885 +0.1427 -0.2861 +0.2318         | 0.4191
st_gumbel_softmax temperature=1.0    | -0.0367 -0.0818 +0.1766 -0.0581 | 0.1695 | -0.1259 +0.2427 -0.4678 +0.3510         | 1.7228
st_gumbel_softmax temperature=0.5    | -0.0816 -0.0846 +0.1968 -0.0306 | 0.4601 | -0.1536 +0.3304 -0.6327 +0.4559         | 5.6349
st_gumbel_softmax temperature=0.1    | -0.1234 -0.0617 +0.1776 +0.0075 | 2.8865 | -0.1942 +0.4089 -0.7865 +0.5717         | 43.2013
gumbel_rao temperature=1.0           | -0.0365 -0.0819 +0.1775 -0.0591 | 0.1239 | -0.1248 +0.2422 -0.4679 +0.3505         | 1.4024
gumbel_rao temperature=0.5 samples=1 | -0.0807 -0.0846 +0.1969 -0.0316 | 0.4637 | -0.1488 +0.3288 -0.6328 +0.4529         | 5.5985
gumbel_rao temperature=0.5           | -0.0819 -0.0843 +0.1979 -0.0317 | 0.2285 | -0.1504 +0.3299 -0.6339 +0.4545         | 3.4448
gumbel_rao temperature=0.5 samples=100 | -0.0816 -0.0841 +0.1970 -0.0312 | 0.2055 | -0.1479 +0.3273 -0.6289 +0.4495         | 3.2113
gumbel_rao temperature=0.1           | -0.1239 -0.0618 +0.1773 +0.0084 | 0.5601 | -0.1886 +0.4025 -0.7992 +0.5852         | 10.3459
rebar temperature=1.0                | exact                           | 0.1650 | exact                                   | 3.5552
rebar temperature=0.5                | exact                           | 0.2075 | exact                                   | 4.1213
rebar temperature=0.1                | exact                           | 0.9160 | exact                                   | 13.8263
relax control=tanh                   | exact                           | 0.4920 | exact                                   | 7.6326
"""
THREE_BITS = """
score_function                       | exact                           | 0.3507 | exact                                   | 8.2109
score_function baseline=mean         | exact                           | 0.1859 | exact                                   | 4.7465
rloo                                 | exact                           | 0.2182 | exact                                   | 4.2563
arm                                  | exact                           | 0.1362 | exact                                   | 3.4688
disarm                               | exact                           | 0.1024 | exact                                   | 3.1314
darn                                 | exact                           | 0.1597 | +0.3563 +0.6983 -0.5557                 | 2.8705
muprop                               | exact                           | 0.4370 | exact                                   | 3.1039
straight_through                     | -0.1241 -0.1505 +0.1448         | 0.1333 | +0.3788 +0.4594 -0.4419                 | 0.9212
straight_through temperature=0.5     | -0.2323 -0.1290 +0.1892         | 0.2404 | +0.7089 +0.3938 -0.5775                 | 1.6609
straight_through temperature=0.2     | -0.3786 -0.0104 +0.0598         | 0.3321 | +1.1554 +0.0318 -0.1824                 | 2.2945
reinmax                              | exact                           | 0.1597 | +0.3563 +0.6983 -0.5557                 | 2.8705
gumbel_softmax temperature=2.0       | -0.0292 -0.0400 +0.0351         | 0.0050 | +0.1440 +0.2360 -0.1924                 | 0.0272
gumbel_softmax temperature=1.0       | -0.0646 -0.0692 +0.0684         | 0.0295 | +0.2099 +0.3431 -0.2850                 | 0.1883
gumbel_softmax temperature=0.5       | -0.1022 -0.0805 +0.0932         | 0.1129 | +0.2651 +0.4367 -0.3689                 | 0.8468
gumbel_softmax temperature=0.1       | -0.1319 -0.0633 +0.0960         | 0.9131 | +0.3188 +0.5534 -0.4670                 | 9.0086
st_gumbel_softmax temperature=1.0    | -0.0860 -0.1042 +0.0969         | 0.1042 | +0.2515 +0.4178 -0.3429                 | 0.9025
st_gumbel_softmax temperature=0.5    | -0.1123 -0.1017 +0.1092         | 0.2495 | +0.3178 +0.5396 -0.4448                 | 2.4980
st_gumbel_softmax temperature=0.1    | -0.1320 -0.0688 +0.0989         | 1.3741 | +0.3539 +0.6646 -0.5351                 | 16.9560
rebar temperature=1.0                | exact                           | 0.2517 | exact                                   | 3.4098
rebar temperature=0.5                | exact                           | 0.2609 | exact                                   | 3.3352
rebar temperature=0.1                | exact                           | 0.9512 | exact                                   | 9.8091
"""


def tanh_control(v):
    return tf.tanh(tf.reduce_sum(v[..., 0, :] * [0.3, -0.7, 0.2, 0.5], -1))


def read_option(toy, kind, name, text):
    if name == "baseline":
        return {"mean": toy.truth(kind)[0], "optimal": toy.best_baseline(kind)}[text]
    if name == "control":
        return {"tanh": tanh_control}[text]
    return int(text) if name == "samples" else float(text)


def check(toy, kind, call, mean, variance):
    name, *given = call.split()
    pairs = [option.split("=") for option in given]
    options = {key: read_option(toy, kind, key, text) for key, text in pairs}
    got = exact.quality(
        name,
        toy.logits,
        toy.cost(kind),
        toy.latent,
        draws=10_000 if options.get("samples") == 100 else 50_000,
        **options,
    )
    assert got.variance == pytest.approx(float(variance), rel=0.12)
    if mean.strip() == "exact":
        assert got.z < 4.5
        return
    want = np.reshape([float(x) for x in mean.split()], toy.logits.shape)
    error = 4.5 * np.sqrt(2) * got.standard_error + 1e-4  # both were measured
    np.testing.assert_array_less(np.abs(got.mean - want), error)
    bias = np.linalg.norm(want - toy.truth(kind)[1])
    assert got.bias == pytest.approx(bias, abs=np.linalg.norm(error))


@pytest.mark.parametrize(
    "row", ONE_OF_FOUR.strip().splitlines(), ids=lambda row: row.split("|")[0].strip()
)
def test_one_of_four_has_the_mean_and_variance_measured_elsewhere(row):
    call, *quad, mean, variance = row.split("|")
    check(toys.A, "quad", call, *quad)
    check(toys.A, "exp", call, mean, variance)


@pytest.mark.parametrize(
    "row", THREE_BITS.strip().splitlines(), ids=lambda row: row.split("|")[0].strip()
)
def test_three_bits_have_the_mean_and_variance_measured_elsewhere(row):
    call, *quad, mean, variance = row.split("|")
    check(toys.B, "quad", call, *quad)
    check(toys.B, "exp", call, mean, variance)
