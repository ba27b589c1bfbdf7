"""The rules of capture the flag for one game, in plain Python: to be read, and to compare the fast ones with.

A step of the game, in this order:

1. Players turn.
2. They move by at most a tile, one after another in an order drawn anew: forward or back, and where that is
   blocked or not wanted, to a side. Walls and players block. A player who is tagged or waits does nothing.
3. They tag, all at once: a ray of 4 tiles ahead, that walls end, hits the first opponent (of several on one
   tile, the one with the lowest number). A player can tag again after 4 steps.
4. Who was tagged is out for some steps, and drops the flag where it was.
5. Who was out long enough stands on its spawn again, beside anybody who is there.
6. Who stands on the opponents' flag picks it up (of several, the lowest number).
7. Who stands on its own flag, away from home, returns it there.
8. Who carries the opponents' flag onto its own base, while the own flag is at home, captures: a point, and
   the flag goes home.

After the last step the team with more points has won.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from envs.ctf_config import CtfConfig
from envs.ctf_map import DENSITY, SPAWN_ROWS
from envs.ctf_random import GAMMA
from envs.ctf_rules import COOLDOWN, EVENTS, RANGE, State
from envs.ctf_view import MOST_SCORE, PLANES, REACH, SIDE

WAYS = ((-1, 0), (0, 1), (1, 0), (0, -1))  # north, east, south, west
Tile = tuple[int, int]  # row, column
Command = tuple[int, int, int, int]  # turn, ahead, side, tag


class Player:
    """One player: where it is, and what it waits for."""

    def __init__(self, number: int, team: int, spawn: Tile):
        self.number, self.team, self.spawn = number, team, spawn
        self.place, self.heading = spawn, 1 if team == 0 else 3
        self.out = self.cooldown = self.beam = 0


class Flag:
    """One team's flag; `carrier` is None where nobody carries it."""

    def __init__(self, team: int, base: Tile):
        self.team, self.base = team, base
        self.place = base
        self.carrier: Player | None = None

    @property
    def is_home(self) -> bool:
        """Whether it lies on its base."""
        return self.carrier is None and self.place == self.base

    def go_home(self) -> None:
        """Puts it on its base."""
        self.place, self.carrier = self.base, None


class PlainGame:
    """One game of capture the flag.

    Args:
        config: The settings.
        seed: Of the map and of the orders in which players move.

    Attributes:
        players: In the order of their numbers, team 0's first.
        flags: Of teams 0 and 1.
        walls: Tiles.
        score: Captures of teams 0 and 1.
        steps: Steps played.
        events: [P][13], how often each of `EVENTS` happened to each player at the last step.
    """

    def __init__(self, config: CtfConfig, seed: int):
        self.config = config
        self._numbers = split_mix(seed)
        self.start()

    def start(self) -> None:
        """Begins a game on the next map of the stream."""
        size, team_size = self.config.size, self.config.team_size
        middle, last = size // 2, size - 1
        bases = [(middle, 2), (middle, last - 2)]
        left = [(middle + row, 1) for row in SPAWN_ROWS[:team_size]]
        spawns = left + [(last - y, last - x) for y, x in left]
        self.players = [
            Player(number, number // team_size, spawn)
            for number, spawn in enumerate(spawns)
        ]
        self.flags = [Flag(team, base) for team, base in enumerate(bases)]
        self.walls = self._draw_walls(bases)
        self.score, self.steps = [0, 0], 0
        self.events = [[0] * len(EVENTS) for _ in self.players]

    def step(self, commands: Sequence[Command]) -> None:
        """Plays one step; commands are (turn, ahead, side, tag) of each player, as in `ctf_rules.Commands`."""
        self.steps += 1
        self.events = [[0] * len(EVENTS) for _ in self.players]
        active = [player for player in self.players if not player.out]
        waiting = [player for player in self.players if player.out]
        for player in self.players:
            player.cooldown = max(player.cooldown - 1, 0)
            player.beam = 0
        for player in active:
            player.heading = (player.heading + commands[player.number][0]) % 4
        self._move(commands)
        tagged = self._tag([p for p in active if commands[p.number][3]])
        for player in tagged:
            player.out = self.config.out_steps
            for flag in self.flags:
                if flag.carrier is player:
                    flag.carrier = None
        for player in waiting:
            player.out -= 1
            if not player.out:
                player.place = player.spawn
                player.heading = 1 if player.team == 0 else 3
        self._pick_up()
        self._return()
        self._capture()

    def outcome(self, player: int) -> int:
        """Returns 1 if a player's team has won, -1 if it has lost, 0 for a draw or before the end."""
        team = self.players[player].team
        mine, others = self.score[team], self.score[1 - team]
        is_over = self.steps == self.config.length
        return is_over * ((mine > others) - (mine < others))

    def is_carrying(self, player: Player) -> bool:
        """Whether a player carries a flag."""
        return any(flag.carrier is player for flag in self.flags)

    def state(self) -> State:
        """Returns where the game stands as the arrays of one game."""
        size, players = self.config.size, self.players
        flat = {y * size + x for y, x in self.walls}
        carriers = [flag.carrier.number if flag.carrier else -1 for flag in self.flags]
        return State(
            np.array([[tile in flat for tile in range(size * size)]]),
            np.array([[p.place[0] * size + p.place[1] for p in players]]),
            np.array([[p.heading for p in players]]),
            np.array([[p.out for p in players]]),
            np.array([[p.cooldown for p in players]]),
            np.array([[f.place[0] * size + f.place[1] for f in self.flags]]),
            np.array([carriers]),
            np.array([self.score]),
            np.array([[p.beam for p in players]]),
            self.steps,
        )

    def _move(self, commands: Sequence[Command]) -> None:
        drawn = [next(self._numbers) for _ in self.players]
        for number in sorted(range(len(drawn)), key=lambda each: drawn[each]):
            player = self.players[number]
            _, ahead, side, _ = commands[number]
            for times, way in ((ahead, player.heading), (side, player.heading + 1)):
                dy, dx = WAYS[way % 4]
                there = (player.place[0] + times * dy, player.place[1] + times * dx)
                taken = any(p.place == there for p in self.players if not p.out)
                if times and not player.out and not taken and there not in self.walls:
                    player.place = there
                    break
        for flag in self.flags:
            if flag.carrier:
                flag.place = flag.carrier.place

    def _tag(self, taggers: list[Player]) -> list[Player]:
        """Returns the players that were tagged."""
        tagged = []
        for player in taggers:
            if player.cooldown:
                continue
            player.cooldown = COOLDOWN
            victim = self._first_opponent(player)
            if victim:
                carries = self.is_carrying(victim)
                self._count(player, "tagged_carrier" if carries else "tagged_other")
                tagged.append(victim)
        for victim in set(tagged):
            carries = self.is_carrying(victim)
            with_flag = "with_flag" if carries else "without_flag"
            self._count(victim, f"was_tagged_{with_flag}")
        return tagged

    def _first_opponent(self, player: Player) -> Player | None:
        (y, x), (dy, dx) = player.place, WAYS[player.heading]
        for distance in range(1, RANGE + 1):
            tile = (y + distance * dy, x + distance * dx)
            if tile in self.walls:
                return None
            player.beam = distance
            for other in self._on(tile, 1 - player.team):
                return other
        return None

    def _pick_up(self) -> None:
        for flag in self.flags:
            takers = self._on(flag.place, 1 - flag.team)
            if takers and flag.carrier is None:
                flag.carrier = takers[0]
                self._tell(takers[0], "picked_up")

    def _return(self) -> None:
        for flag in self.flags:
            owners = self._on(flag.place, flag.team)
            if owners and flag.carrier is None and not flag.is_home:
                flag.go_home()
                self._tell(owners[0], "returned")

    def _capture(self) -> None:
        for flag in self.flags:
            own = self.flags[1 - flag.team]
            if flag.carrier and own.is_home and flag.carrier.place == own.base:
                self.score[own.team] += 1
                self._tell(flag.carrier, "captured")
                flag.go_home()

    def _on(self, tile: Tile, team: int) -> list[Player]:
        """Returns the players of a team in play who stand on a tile."""
        return [
            player
            for player in self.players
            if player.team == team and player.place == tile and not player.out
        ]

    def _tell(self, player: Player, what: str) -> None:
        """Counts an event for who did it, for teammates and for opponents."""
        for other in self.players:
            if other is player:
                self._count(other, what)
            elif other.team == player.team:
                self._count(other, f"teammate_{what}")
            else:
                self._count(other, f"opponents_{what}")

    def _count(self, player: Player, event: str) -> None:
        self.events[player.number][EVENTS.index(event)] += 1

    def _draw_walls(self, bases: list[Tile]) -> set[Tile]:
        size = self.config.size
        last, middle = size - 1, size // 2
        tiles = [(y, x) for y in range(size) for x in range(size)]
        inner = {(y, x) for y, x in tiles if 0 < y < last and 0 < x < last}
        drawn = set()
        for y, x in tiles[: len(tiles) // 2]:
            if next(self._numbers) < int(DENSITY * 2**64):
                drawn |= {(y, x), (last - y, last - x)}
        near = {
            (y, x) for y, x in inner if abs(y - middle) < 3 and not 2 < x < last - 2
        }
        floor = inner - (drawn - near)
        if bases[1] not in _walk(floor, bases[0]):
            floor |= {(y, x) for y, x in inner if y == middle}
        return set(tiles) - _walk(floor, bases[0])

    def image(self, number: int) -> np.ndarray:
        """Returns what a player sees, planes [11, 11, 7] uint8, as in envs/ctf_view.py."""
        player = self.players[number]
        (y, x), (dy, dx) = player.place, WAYS[player.heading]
        image = np.zeros((SIDE, SIDE, PLANES), np.uint8)
        for row in range(SIDE):
            for column in range(SIDE):
                ahead, right = REACH - row, column - REACH
                tile = (y + ahead * dy + right * dx, x + ahead * dx - right * dy)
                image[row, column] = self._planes(tile, player.team)
        return image

    def _planes(self, tile: Tile, team: int) -> list[int]:
        size = self.config.size
        inside = 0 <= tile[0] < size and 0 <= tile[1] < size
        own, others = self._on(tile, team), self._on(tile, 1 - team)
        planes = [
            not inside or tile in self.walls,
            bool(own),
            bool(others),
            self.flags[team].place == tile,
            self.flags[1 - team].place == tile,
            any(self.is_carrying(player) for player in own + others),
            self.flags[team].base == tile,
        ]
        return [255 * plane for plane in planes]

    def vector(self, number: int) -> np.ndarray:
        """Returns a player's six numbers, [6] float32, as in envs/ctf_view.py."""
        player, config = self.players[number], self.config
        own, others = self.score[player.team], self.score[1 - player.team]
        return np.array(
            [
                player.cooldown / COOLDOWN,
                self.is_carrying(player),
                player.out / config.out_steps,
                min(own, MOST_SCORE) / MOST_SCORE,
                min(others, MOST_SCORE) / MOST_SCORE,
                1 - self.steps / config.length,
            ],
            np.float32,
        )


def split_mix(seed: int) -> Iterator[int]:
    """Yields the SplitMix64 stream of a seed; see envs/ctf_random.py."""
    mask = 2**64 - 1
    while True:
        seed = (seed + GAMMA) & mask
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def _walk(floor: set[Tile], start: Tile) -> set[Tile]:
    """Returns the tiles of the floor that one can walk to."""
    found, ends = {start}, [start]
    while ends:
        y, x = ends.pop()
        for dy, dx in WAYS:
            tile = (y + dy, x + dx)
            if tile in floor - found:
                found.add(tile)
                ends.append(tile)
    return found
