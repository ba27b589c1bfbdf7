"""The league: ratings find hidden skills, matches and exploits happen as often as they should."""

import itertools

import numpy as np
import pytest
from scipy import stats

from agents import checkpoint
from agents.ftw import league as league_lib
from agents.ftw.league import League, LeagueConfig, Range, match, win_probability

RANGES = {
    "learning_rate": Range(1e-5, 5e-3),
    "period": Range(5, 20, integer=True),
    "rewards": Range(0.1, 1.0, signs=(1, -1, 1)),
}


def played(config, skills, games, seed=0, team=2):
    """A league whose games are won by hidden skills alone."""
    league, rng = League(config, RANGES, seed), np.random.default_rng(seed)
    for _ in range(games):
        players = match(league.ratings, 2 * team, config, rng)
        chance = league_lib.expected(skills, players)
        league.report(players, 1 if rng.uniform() < chance else -1)
    return league


def test_elo_has_the_known_numbers():
    assert win_probability(1000, 1000) == 0.5
    gap = 400 * np.log10(7 / 3)
    assert gap == pytest.approx(147.2, abs=0.05)
    assert win_probability(1000 + gap, 1000) == pytest.approx(0.7)
    assert win_probability(1200, 1000) == pytest.approx(0.76, abs=0.001)


def test_a_match_moves_both_teams_by_what_was_not_expected():
    league = League(LeagueConfig(4, step=10), RANGES)
    league.report([0, 1, 2, 3], 1)
    np.testing.assert_allclose(league.ratings, [1005, 1005, 995, 995])
    league.report([0, 1, 2, 3], 0)
    moved = 10 * (0.5 - win_probability(1005, 995))
    np.testing.assert_allclose(league.ratings[:2], 1005 + moved)
    assert league.ratings.sum() == pytest.approx(4000)  # zero-sum
    np.testing.assert_array_equal(league.games, 2)


def test_one_member_against_itself_moves_nothing():
    league = League(LeagueConfig(1), RANGES)
    for outcome in (1, -1, 1):
        league.report([0, 0, 0, 0], outcome)
    assert league.ratings.tolist() == [1000]


@pytest.mark.parametrize("team", [1, 2])
def test_ratings_converge_to_hidden_skills(team):
    skills = np.array([700.0, 850, 950, 1050, 1150, 1300])
    config = LeagueConfig(6, step=4)
    league = played(config, skills, 20_000, seed=1, team=team)
    # A rating is known up to a shift; it wanders by about sqrt(K) steps.
    found = league.ratings - league.ratings.mean()
    np.testing.assert_allclose(found, skills - skills.mean(), atol=75)
    assert np.argsort(found).tolist() == list(range(6))
    assert league.best == 5


def test_partners_are_drawn_by_the_density_of_their_chance_to_win():
    ratings = np.array([1000.0, 1000, 1060, 1147, 1400])
    config, rng, draws = LeagueConfig(5), np.random.default_rng(0), 20_000
    pairs = [frozenset(match(ratings, 2, config, rng)) for _ in range(draws)]
    density = stats.norm(0.5, 1 / 6).pdf
    chance = {}
    for first, other in itertools.permutations(range(5), 2):
        others = [m for m in range(5) if m != first]
        weights = density(win_probability(ratings[others], ratings[first]))
        share = weights[others.index(other)] / weights.sum() / 5
        pair = frozenset((first, other))
        chance[pair] = chance.get(pair, 0) + share
    seen = [pairs.count(pair) for pair in chance]
    wanted = [draws * share for share in chance.values()]
    assert stats.chisquare(seen, wanted).pvalue > 0.001
    wrong = np.full(len(seen), draws / len(seen))  # as if all pairs were alike
    assert stats.chisquare(seen, wrong).pvalue < 1e-6


def test_nobody_plays_twice_where_there_are_enough_and_teams_are_shuffled():
    rng, config = np.random.default_rng(0), LeagueConfig(6)
    ratings = np.full(6, 1000.0)
    games = np.array([match(ratings, 4, config, rng) for _ in range(3000)])
    assert all(len(set(game)) == 4 for game in games)
    for place in games.T:
        counts = np.bincount(place, minlength=6)
        assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize(("number", "teams"), [(1, 1), (2, 2), (3, 2)])
def test_small_populations_fill_teams_with_one_member(number, teams):
    rng = np.random.default_rng(0)
    for _ in range(50):
        game = match(np.full(number, 1000.0), 4, LeagueConfig(number), rng)
        assert game[0] == game[1] and game[2] == game[3]
        assert len(set(game)) == teams


def rated(config, ratings, games):
    league = League(config, RANGES, seed=3)
    league.ratings = np.array(ratings, float)
    league.games[:] = games
    return league


def test_exploits_fire_exactly_below_the_threshold():
    config = LeagueConfig(2, burn_in=10, exploit_below=0.3)
    gap = 400 * np.log10(7 / 3)
    for more, expected in ((-0.1, 0), (0.1, 1)):
        league = rated(config, [1000, 1000 + gap + more], 10)
        found = league.exploits()
        assert len(found) == expected
        if found:
            assert (found[0].member, found[0].parent) == (0, 1)
            assert found[0].win_probability == pytest.approx(0.3, abs=1e-3)
            assert league.ratings[0] == league.ratings[1]
            assert league.lineage == found


def test_exploits_wait_for_the_burn_in_and_between_looks():
    config = LeagueConfig(3, burn_in=100)
    league = rated(config, [500, 1500, 1500], 99)
    assert league.exploits() == []
    league.games += 1
    assert [each.member for each in league.exploits()] == [0]
    league.ratings[0] = 500
    assert league.exploits() == []
    league.games += 100
    assert [each.member for each in league.exploits()] == [0]


@pytest.mark.parametrize("config", [LeagueConfig(1), LeagueConfig(2, exploit_below=0)])
def test_nobody_copies_where_there_is_nobody_or_it_is_off(config):
    league = rated(config, [0, 5000][: config.population], 10**6)
    assert league.exploits() == []


def test_whom_a_member_looks_at_is_drawn_evenly():
    config = LeagueConfig(4, burn_in=1)
    league, parents = rated(config, [0, 3000, 3000, 3000], 1), []
    for _ in range(600):
        league.games += 1
        league.ratings[0] = 0
        parents += [each.parent for each in league.exploits()]
    assert stats.chisquare(np.bincount(parents, minlength=4)[1:]).pvalue > 0.001


def test_the_child_has_the_parents_numbers_with_some_changed_by_a_fifth():
    config = LeagueConfig(2, burn_in=1, mutation_rate=0.05)
    league, hits, factors, draws = rated(config, [0, 3000], 1), 0, [], 4000
    parent = league.hyper[1]
    parent |= {"learning_rate": np.float64(1e-3), "rewards": np.array([0.5, -0.5, 0.5])}
    for _ in range(draws):
        league.games[0] += 1
        league.ratings[0] = 0
        (made,) = league.exploits()
        before = np.abs(np.concatenate([[parent["learning_rate"]], parent["rewards"]]))
        after = np.concatenate([[made.hyper["learning_rate"]], made.hyper["rewards"]])
        assert np.sign(made.hyper["rewards"]).tolist() == [1, -1, 1]
        factor = np.abs(after) / before
        changed = factor != 1
        hits += changed.sum()
        factors += factor[changed].tolist()
        assert ("learning_rate" in made.mutated) == changed[0]
        assert league.hyper[0] is made.hyper
    low, high = stats.binom(4 * draws, 0.05).interval(0.9999)
    assert low <= hits <= high
    assert set(np.round(factors, 12)) <= {0.8, 1.2}
    up = sum(factor > 1 for factor in factors)
    assert stats.binomtest(up, len(factors)).pvalue > 0.001


def test_mutants_stay_in_their_range_and_periods_are_whole():
    rng = np.random.default_rng(0)
    rate, period, rewards = RANGES.values()
    value, periods = np.float64(4.9e-3), set()
    vector, whole = np.array([0.99, -0.11, 0.5]), np.float64(7)
    for _ in range(3000):
        value = rate.mutate(value, rng, 1.0, 0.2)
        vector = rewards.mutate(vector, rng, 1.0, 0.2)
        whole = period.mutate(whole, rng, 1.0, 0.2)
        periods.add(float(whole))
        assert 1e-5 <= value <= 5e-3
        assert (np.abs(vector) >= 0.1).all() and (np.abs(vector) <= 1).all()
        assert np.sign(vector).tolist() == [1, -1, 1]
    assert periods == set(map(float, range(5, 21)))


def test_first_numbers_are_log_uniform_in_their_range():
    rng = np.random.default_rng(1)
    found = np.log([float(RANGES["learning_rate"].draw(rng)) for _ in range(2000)])
    low, high = np.log(1e-5), np.log(5e-3)
    assert stats.kstest(found, stats.uniform(low, high - low).cdf).pvalue > 0.001


def test_rewards_never_reach_the_ratings():
    """Two leagues that differ in internal rewards alone have the same ratings after the same games."""
    config = LeagueConfig(4)
    one, other = League(config, RANGES, 0), League(config, RANGES, 0)
    for member in range(4):
        other.hyper[member]["rewards"] = other.hyper[member]["rewards"] * 100
    rng = np.random.default_rng(0)
    for _ in range(200):
        outcome = int(rng.integers(-1, 2))
        players = rng.permutation(4)
        one.report(players, outcome)
        other.report(players, outcome)
    np.testing.assert_array_equal(one.ratings, other.ratings)


def test_a_saved_league_goes_on_as_if_nothing_had_happened(tmp_path):
    config, skills = (
        LeagueConfig(5, burn_in=40),
        np.array([300.0, 900, 1000, 1100, 1900]),
    )

    def go_on(league, seed):
        rng = np.random.default_rng(seed)
        for _ in range(300):
            players = match(league.ratings, 4, config, rng)
            won = rng.uniform() < league_lib.expected(skills, players)
            league.report(players, 1 if won else -1)
            league.exploits()
        return league

    league = go_on(League(config, RANGES, 7), 0)
    saved = checkpoint.Checkpoints(tmp_path)
    saved.save(1, league.get_state())
    other = League(config, RANGES, 7)
    saved.restore(other.set_state)
    go_on(league, 1)
    go_on(other, 1)
    assert league.lineage
    np.testing.assert_equal(other.get_state(), league.get_state())


def test_a_member_that_cannot_go_on_copies_the_best_other():
    league = rated(LeagueConfig(3), [2000, 900, 1100], 0)
    made = league.replace(0)
    assert (made.member, made.parent) == (0, 2)
    assert league.ratings.tolist() == [1100, 900, 1100]
