"""The game of pairs."""

import functools
import itertools
from collections.abc import Callable

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs.memory_game import MemoryGame, card_face

CARDS = (4, 6, 8, 12, 16)
Player = Callable[[list[tuple[int, int]]], int]


class PerfectMemory:
    """Turns the partner of the card just turned where it was seen before, else a new card."""

    def __init__(self, cards: int):
        self._cards = cards

    def __call__(self, turns: list[tuple[int, int]]) -> int:
        card, symbol = turns[-1]
        before = {each for each, known in turns[:-1] if known == symbol} - {card}
        is_found = any(
            now[1] == then[1] and now[0] != then[0]
            for then, now in itertools.pairwise(turns)
            if now[1] == symbol
        )
        return before.pop() if before and not is_found else self._cards


def deal(env: MemoryGame, seed: int) -> list[int]:
    """Returns the symbols of a seed's cards by turning each."""
    _, cards = env.reset(seed=seed)[0], env.action_space.n - 1
    return [int(env.step(card)[0][1]) for card in range(cards)]


def play(env: MemoryGame, seed: int | None, player: Player) -> tuple[float, int]:
    """Returns return and length of an episode; a player takes all (card, symbol) so far."""
    turns = [tuple(env.reset(seed=seed)[0].tolist())]
    total, ended = 0.0, False
    while not ended:
        turn, reward, ended, truncated, _ = env.step(player(turns))
        assert not truncated
        turns.append(tuple(turn.tolist()))
        total += reward
    return total, len(turns) - 1


def neighbours(symbols: list[int]) -> int:
    """Returns how many pairs lie side by side."""
    return sum(left == right for left, right in itertools.pairwise(symbols))


@pytest.mark.parametrize("pictures", [False, True])
@pytest.mark.parametrize("cards", CARDS)
def test_every_memory_game_is_registered_and_passes_gymnasiums_own_checker(
    cards: int, pictures: bool, recwarn: object
) -> None:
    check_env(MemoryGame(cards, pictures, render_mode="rgb_array"))
    name = f"MemoryGame{cards}{'Pictures' if pictures else ''}-v0"
    space = envs.make(f"zoo:{name}").spaces
    assert space.action.n == cards + 1
    key, shape = ("image", (64, 64, 3)) if pictures else ("vector", (cards * 3 // 2,))
    assert space.observation[key].shape == shape
    assert space.factors == ({} if pictures else {"vector": (cards, cards // 2)})


@pytest.mark.parametrize("cards", CARDS)
def test_a_pair_pays_two_once_every_other_turn_costs_one_and_all_pairs_or_2n_turns_end_it(
    cards: int,
) -> None:
    env, rng, lengths = MemoryGame(cards), np.random.default_rng(0), set()
    for seed in range(60):
        turns, found = [tuple(env.reset(seed=seed)[0])], set()
        for number in itertools.count(1):
            turn, reward, ended, truncated, _ = env.step(rng.integers(cards + 1))
            (card, symbol), (last, before) = turn, turns[-1]
            is_new_pair = symbol == before and card != last and symbol not in found
            assert reward == (2 if is_new_pair else -1)
            found |= {symbol} if is_new_pair else set()
            assert ended == (len(found) == cards // 2 or number == 2 * cards)
            assert not truncated
            turns.append(tuple(turn))
            if ended:
                lengths.add(number)
                break
        shown = dict(turns)
        assert all(shown[card] == symbol for card, symbol in turns)
    assert 2 * cards in lengths


def test_a_found_pair_turned_again_costs_one() -> None:
    env = MemoryGame(6)
    symbols = deal(env, 0)
    other = symbols.index(symbols[0], 1)
    env.reset(seed=0)
    assert [env.step(card)[1] for card in (other, 0, other)] == [2, -1, -1]


def test_the_last_action_turns_the_first_card_never_turned_then_the_last_card() -> None:
    env = MemoryGame(6)
    env.reset(seed=0)
    actions = [6, 4, 6, 6, 5, 3, 6, 6]
    assert [int(env.step(a)[0][0]) for a in actions] == [1, 4, 2, 3, 5, 3, 5, 5]


def test_every_deal_is_as_likely_and_depends_on_the_seed_alone() -> None:
    env = MemoryGame(4)
    deals = [deal(env, seed) for seed in range(1200)]
    assert deals == [deal(MemoryGame(4), seed) for seed in range(1200)]
    counts = np.unique(deals, axis=0, return_counts=True)[1]
    assert len(counts) == 6  # 4! / 2! 2!
    assert np.abs(counts - 200).max() < 4 * np.sqrt(200)


@pytest.mark.parametrize("cards", [*CARDS, 32])
def test_perfect_memory_returns_one_and_one_more_per_pair_side_by_side(
    cards: int,
) -> None:
    # N - 1 turns show all cards; a pair needs one more unless its cards follow each other: 3 N/2 - (N - 1) - (N/2 - a).
    env, returns = MemoryGame(cards), []
    for seed in range(300):
        pairs = neighbours(deal(env, seed))
        total, length = play(env, seed, PerfectMemory(cards))
        assert total == 1 + pairs and length == 3 * cards // 2 - 1 - pairs
        returns.append(total)
    assert min(returns) == 1 and max(returns) <= cards / 2 + 1
    assert abs(np.mean(returns) - 2) < 4 * np.std(returns) / np.sqrt(300)


@pytest.mark.parametrize(("cards", "mean"), [(4, -3.33), (6, -8.53), (8, -12.91)])
def test_always_the_next_card_finds_only_pairs_side_by_side(
    cards: int, mean: float
) -> None:
    env, half = MemoryGame(cards), cards // 2
    for seed in range(100):
        pairs = neighbours(deal(env, seed))
        total = play(env, seed, lambda _: cards)[0]
        assert total == (half + 1 if pairs == half else 3 * pairs - 2 * cards)
    deals = set(itertools.permutations(list(range(half)) * 2)) if cards < 8 else []
    by_all = [neighbours(list(each)) for each in deals]
    totals = [half + 1 if n == half else 3 * n - 2 * cards for n in by_all]
    if totals:
        assert round(np.mean(totals), 2) == mean
    # In general one pair lies side by side on average, and all do once in (N - 1)!! deals.
    all_pairs = 1 / np.prod(np.arange(1, cards, 2))
    assert round(3 - 2 * cards + all_pairs * (cards + 1), 2) == mean


def test_uniform_actions_return_minus_2_94_with_four_cards_by_enumeration() -> None:
    @functools.cache
    def expected(
        symbols: tuple, last: int, turned: frozenset, found: frozenset, left: int
    ) -> tuple[float, float]:
        """Returns the mean return from here on and the chance to find all pairs."""
        if len(found) == 2 or not left:
            return 0.0, float(len(found) == 2)
        total = np.zeros(2)
        for action in range(5):
            card = min({0, 1, 2, 3} - turned, default=3) if action == 4 else action
            is_pair = card != last and symbols[card] == symbols[last]
            is_new = is_pair and symbols[card] not in found
            now = found | ({symbols[card]} if is_new else set())
            value, chance = expected(symbols, card, turned | {card}, now, left - 1)
            total += (value + (2 if is_new else -1), chance)
        return total[0] / 5, total[1] / 5

    deals = [(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0)]
    each = [expected(deal, 0, frozenset({0}), frozenset(), 8) for deal in deals]
    mean, chance = np.mean(each, 0)
    np.testing.assert_allclose([mean, chance], [-2.940, 0.418], atol=5e-4)

    env, rng = MemoryGame(4), np.random.default_rng(0)
    env.reset(seed=0)
    played = [play(env, None, lambda _: rng.integers(5)) for _ in range(3000)]
    returns = np.array(played)[:, 0]
    assert abs(returns.mean() - mean) < 4 * returns.std() / np.sqrt(3000)


@pytest.mark.parametrize("cards", [4, 8, 12, 16, 32])
def test_a_picture_says_what_the_vector_says_and_no_more(cards: int) -> None:
    vectors, pictures = MemoryGame(cards), MemoryGame(cards, pictures=True)
    rng, seen = np.random.default_rng(0), {}
    for seed in range(12):
        vector, picture = vectors.reset(seed=seed)[0], pictures.reset(seed=seed)[0]
        ended = False
        while not ended:
            known = seen.setdefault(tuple(vector.tolist()), picture)
            np.testing.assert_array_equal(picture, known)
            action = rng.integers(cards + 1)
            vector, picture = vectors.step(action)[0], None
            picture, _, ended, _, _ = pictures.step(action)
    assert len({picture.tobytes() for picture in seen.values()}) == len(seen)
    assert len(seen) > 2 * cards - 3


@pytest.mark.parametrize(("side", "symbols"), [(32, 2), (21, 4), (16, 8), (10, 16)])
def test_the_faces_of_different_symbols_differ_in_many_pixels(
    side: int, symbols: int
) -> None:
    faces = [card_face(symbol, side).astype(int) for symbol in range(symbols)]
    for one, other in itertools.combinations(faces, 2):
        assert (np.abs(one - other).max(-1) > 60).mean() > 0.1


def test_the_picture_for_people_shows_the_card_turned_and_the_pairs_found() -> None:
    env = MemoryGame(8, render_mode="rgb_array")
    symbols = deal(env, 3)
    other = symbols.index(symbols[0], 1)
    env.reset(seed=3)
    first = env.render()
    env.step(other)
    env.step(0)
    again = env.render()
    assert first is not None and again is not None
    assert first.shape == (336, 336, 3) and first.dtype == np.uint8
    row, column = divmod(other, 3)
    differs = (first != again).any(-1)
    assert differs[112 * row + 56, 112 * column + 56]
    differs[112 * row : 112 * row + 112, 112 * column : 112 * column + 112] = False
    assert not differs.any()
    assert MemoryGame().render() is None


@pytest.mark.parametrize("cards", [2, 7, 34])
def test_a_number_of_cards_without_pairs_or_place_is_refused(cards: int) -> None:
    with pytest.raises(ValueError, match=rf"cards={cards} came.*even number from 4 to"):
        MemoryGame(cards)


def test_actions_have_words() -> None:
    words = envs.describe("zoo:MemoryGame4-v0")["action_meanings"]
    assert words == ["card 0", "card 1", "card 2", "card 3", "next"]
    assert gymnasium.spec("zoo/MemoryGame4-v0").kwargs == {"cards": 4}
