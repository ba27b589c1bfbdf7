"""Scripted teams for capture the flag: fixed yardsticks, which see the whole game.

`make("attacker")(game, rows, rng)` returns the actions of some rows of a `CaptureTheFlag`. Such a policy keeps
no state. All but `random` walk shortest ways, tag an opponent whom they have straight ahead in range, and turn
to one to their side or behind them while they carry no flag; three steps in ten they do not look out.

    random     uniform actions
    attacker   fetches the opponents' flag and brings it home; while a teammate carries it, gets the own
               one back, or meets opponents
    defender   gets the own flag back, meets opponents who come near it, and else waits beside it
    balanced   every other player, the first too, attacks and the others defend; one alone defends while its flag
               is away
"""

import difflib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from envs import ctf_actions, ctf_map
from envs.ctf import CaptureTheFlag
from envs.ctf_rules import RANGE, Commands

Policy = Callable[[CaptureTheFlag, np.ndarray, np.random.Generator], np.ndarray]
HESITATION = 0.3  # chance per step not to react to opponents; else equals tag each other in step for ever
GUARD = 2  # tiles from its base within which a defender waits


class Sight(NamedTuple):
    """What R players see of their games.

    Attributes:
        size: Tiles of a board a side.
        walls: [R, size^2] bool.
        number: [R], of the player in its team, from 0.
        place: [R], tiles, as all of these: own base, the two flags.
        heading: [R].
        ready: [R] bool, may tag at this step.
        carrying: [R] bool.
        base: [R], the own base.
        flag: [R], the own flag.
        other_flag: [R], the opponents' flag.
        mate_carries: [R] bool, whether a teammate has it.
        opponents: [R, n], their tiles; -1 for one who is out.
        players: [R, P], the tiles of all players of the game; -1 for one who is out.
    """

    size: int
    walls: np.ndarray
    number: np.ndarray
    place: np.ndarray
    heading: np.ndarray
    ready: np.ndarray
    carrying: np.ndarray
    base: np.ndarray
    flag: np.ndarray
    other_flag: np.ndarray
    mate_carries: np.ndarray
    opponents: np.ndarray
    players: np.ndarray


def make(name: str) -> Policy:
    """Returns the policy of a scripted player, `(game, rows [R], rng) -> actions [R]` or `[R, 4]`.

    Raises:
        ValueError: For an unknown name, with the near ones.
    """
    if name not in TEAMS:
        near = difflib.get_close_matches(name, TEAMS, 3, 0.4)
        raise ValueError(f"unknown team {name!r}; near names: {near or list(TEAMS)}")
    return TEAMS[name]


def _random(
    game: CaptureTheFlag, rows: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    if game.config.factored:
        shape = (len(rows), len(ctf_actions.FACTORS))
        return rng.integers(0, ctf_actions.FACTORS, shape, np.int32)
    return rng.integers(0, len(ctf_actions.WORDS), len(rows), np.int32)


def _walker(aim: Callable[[Sight], np.ndarray]) -> Policy:
    """Returns the policy that walks to the tile that `aim` names, and tags on the way."""

    def act(
        game: CaptureTheFlag, rows: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        rows = np.asarray(rows)
        sight = _look(game, rows)
        way = _way_to(sight, aim(sight), rng)
        turn = (way - sight.heading) % 4  # where to go, as seen by the player
        walks = way >= 0
        ahead = walks * ((turn == 0) * 1 - (turn == 2) * 1)
        side = walks * ((turn == 1) * 1 - (turn == 3) * 1)
        reacts = rng.random(len(rows)) >= HESITATION
        aims, tags = (reacts * each for each in _aim_at_opponents(sight))
        stays = (aims != 0) | tags
        commands = Commands(
            aims, np.where(stays, 0, ahead), np.where(stays, 0, side), tags
        )
        return ctf_actions.encode(commands, game.config.factored)

    return act


def _attack(sight: Sight) -> np.ndarray:
    is_home = sight.flag == sight.base
    alone = sight.opponents.shape[1] == 1
    opponent, far = _nearest_opponent(sight, sight.place)
    escorts = np.where(far < sight.size**2, opponent, sight.place)
    helps = np.where(is_home, escorts, sight.flag)
    fetches = np.where(sight.mate_carries, helps, sight.other_flag)
    brings = np.where(alone & ~is_home, sight.flag, sight.base)
    return np.where(sight.carrying, brings, fetches)


def _defend(sight: Sight) -> np.ndarray:
    opponent, far = _nearest_opponent(sight, sight.base)
    here = _walked(sight, sight.place, sight.base)
    waits = (here <= GUARD) & (here > 0)
    middle = sight.size**2 // 2
    guard = np.where(waits, sight.place, np.where(here > 0, sight.base, middle))
    quiet = np.where(far <= sight.size // 2, opponent, guard)
    target = np.where(sight.flag != sight.base, sight.flag, quiet)
    return np.where(sight.carrying & (sight.flag == sight.base), sight.base, target)


def _balance(sight: Sight) -> np.ndarray:
    alone = sight.opponents.shape[1] == 1
    defends = sight.flag != sight.base if alone else sight.number % 2 == 1
    return np.where(defends, _defend(sight), _attack(sight))


TEAMS: dict[str, Policy] = {
    "random": _random,
    "attacker": _walker(_attack),
    "defender": _walker(_defend),
    "balanced": _walker(_balance),
}


def _look(game: CaptureTheFlag, rows: np.ndarray) -> Sight:
    state, config = game.state, game.config
    games, player = np.divmod(rows, config.players)
    team, number = np.divmod(player, config.team_size)
    base = ctf_map.places(config.size, config.team_size).base
    in_play = np.where(state.out == 0, state.place, -1)[games]
    sides = in_play.reshape(len(rows), 2, config.team_size)
    carrier = state.carrier[games, 1 - team]
    return Sight(
        config.size,
        state.walls[games],
        number,
        state.place[games, player],
        state.heading[games, player],
        state.cooldown[games, player] <= 1,
        carrier == player,
        base[team],
        state.flag[games, team],
        state.flag[games, 1 - team],
        (carrier >= 0) & (carrier != player),
        sides[np.arange(len(rows)), 1 - team],
        in_play,
    )


def _nearest_opponent(sight: Sight, tile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the tile [R] of the opponent nearest to a tile [R], and how far it is; size^2 where all are out."""
    far = _walked(sight, sight.opponents, tile[:, None])
    far = np.where(sight.opponents < 0, sight.size**2, far)
    rows, nearest = np.arange(len(far)), far.argmin(1)
    return sight.opponents[rows, nearest], far[rows, nearest]


def _walked(sight: Sight, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns how many tiles lie between two, walls not counted."""
    (y, x), (to_y, to_x) = np.divmod(one, sight.size), np.divmod(other, sight.size)
    return np.abs(y - to_y) + np.abs(x - to_x)


def _aim_at_opponents(sight: Sight) -> tuple[np.ndarray, np.ndarray]:
    """Returns turns [R], -1, 0 or 1, towards opponents in range, and tags [R] bool of those ahead."""
    rows = np.arange(len(sight.place))[:, None]
    tile = np.repeat(sight.place[:, None], 4, 1)
    flies, seen = np.ones(tile.shape, bool), np.zeros(tile.shape, bool)
    for _ in range(RANGE):
        tile = tile + ctf_map.directions(sight.size) * flies
        flies &= ~sight.walls[rows, tile]
        seen |= flies & (tile[:, :, None] == sight.opponents[:, None]).any(2)
    seen &= sight.ready[:, None]
    ahead, right, back, left = (
        seen[rows[:, 0], (sight.heading + turn) % 4] for turn in range(4)
    )
    turns = np.where(left, -1, np.where(right | back, 1, 0))
    return np.where(ahead | sight.carrying, 0, turns), ahead


def _way_to(sight: Sight, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the direction [R] of the next step of a shortest way, around players; -1 is to stay."""
    rows, place = np.arange(len(target)), sight.place
    far = _distances(~sight.walls, target, place)
    there = place[:, None] + ctf_map.directions(sight.size)
    here = far[rows, place][:, None]
    cost = np.minimum(far[rows[:, None], there], here + 1) + rng.random(there.shape) / 2
    taken = (there[:, :, None] == sight.players[:, None]).any(2)
    cost[taken | sight.walls[rows[:, None], there]] = np.inf
    best = cost.argmin(1)
    least = cost[rows, best]
    waits = (least > here[:, 0]) & (rng.random(len(rows)) < 0.5)
    stays = (place == target) | np.isinf(least) | waits
    return np.where(stays, -1, best)


def _distances(floor: np.ndarray, target: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Returns [R, size^2], steps to the targets [R]; of tiles not nearer than the places [R] perhaps size^2."""
    rows, tiles = np.arange(len(floor)), floor.shape[1]
    steps = ctf_map.directions(round(tiles**0.5))
    far, edge = np.full(floor.shape, tiles), np.zeros_like(floor)
    edge[rows, target] = True
    for distance in range(tiles):
        far[edge] = distance
        if (far[rows, place] < tiles).all() or not edge.any():
            break
        edge = ctf_map.spread(edge, steps) & floor & (far == tiles)
    return far
