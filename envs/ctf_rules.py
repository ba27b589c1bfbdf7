"""The rules of capture the flag, for many games at once: no loop goes over games.

Arrays are [G, P]: games, players; the first half of a game's players is team 0. `envs/ctf_plain.py` has the same
rules for one game in plain Python, to be read first; the two are tested to be equal step by step.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from envs import ctf_map
from envs.ctf_config import CtfConfig
from envs.ctf_random import Streams

RANGE = 4  # tiles that a tag reaches
COOLDOWN = 4  # steps from a tag to the next
EVENTS = (
    "was_tagged_with_flag",
    "was_tagged_without_flag",
    "captured",
    "picked_up",
    "returned",
    "teammate_captured",
    "teammate_picked_up",
    "teammate_returned",
    "tagged_carrier",
    "tagged_other",
    "opponents_captured",
    "opponents_picked_up",
    "opponents_returned",
)


class Commands(NamedTuple):
    """What players want to do, [G, P] each.

    Attributes:
        turn: -1 left, 1 right.
        ahead: 1 forward, -1 back.
        side: -1 left, 1 right.
        tag: Bool.
    """

    turn: np.ndarray
    ahead: np.ndarray
    side: np.ndarray
    tag: np.ndarray


@dataclasses.dataclass
class State:
    """Where games stand.

    Attributes:
        walls: [G, size^2] bool.
        place: [G, P], tiles; of a player who is out, the tile where it was tagged.
        heading: [G, P], 0 north, 1 east, 2 south, 3 west.
        out: [G, P], steps until a player is back; 0 is in play.
        cooldown: [G, P], steps until a player may tag again, counted from the last step.
        flag: [G, 2], tiles of the teams' flags, carried or not.
        carrier: [G, 2], the players who carry the teams' flags; -1 is nobody.
        score: [G, 2], captures of the teams.
        beam: [G, P], tiles that a player's tag went at this step; 0 for none.
        steps: Steps played, of all games.
    """

    walls: np.ndarray
    place: np.ndarray
    heading: np.ndarray
    out: np.ndarray
    cooldown: np.ndarray
    flag: np.ndarray
    carrier: np.ndarray
    score: np.ndarray
    beam: np.ndarray
    steps: int = 0

    @property
    def carrying(self) -> np.ndarray:
        """[G, P] bool, who carries a flag."""
        players = np.arange(self.place.shape[1])
        return (self.carrier[:, :, None] == players).any(1)


class Rules:
    """Plays games by the rules.

    Args:
        config: The settings.
    """

    def __init__(self, config: CtfConfig):
        self._config = config
        self._places = ctf_map.places(config.size, config.team_size)
        self._directions = ctf_map.directions(config.size)
        self._team = np.repeat([0, 1], config.team_size)
        self._enemy = self._team[:, None] != self._team

    def start(self, streams: Streams) -> State:
        """Returns new games, each on a new map; draws (size^2 - 1) / 2 numbers of each stream."""
        size = self._config.size
        walls = ctf_map.draw_walls(streams.draw(size * size // 2), size)
        games, nobody = len(walls), np.zeros((len(walls), self._config.players), int)
        return State(
            walls,
            np.tile(self._places.spawn, (games, 1)),
            np.tile(self._places.heading, (games, 1)),
            nobody.copy(),
            nobody.copy(),
            np.tile(self._places.base, (games, 1)),
            np.full((games, 2), -1),
            np.zeros((games, 2), int),
            nobody,
        )

    def step(self, state: State, commands: Commands, streams: Streams) -> np.ndarray:
        """Plays one step of every game in place; draws P numbers of each stream.

        Returns:
            [G, P, 13] float32, how often each of `EVENTS` happened to each player.
        """
        state.steps += 1
        state.cooldown = np.maximum(state.cooldown - 1, 0)
        was_out = state.out > 0
        active = ~was_out
        state.heading = (state.heading + np.where(active, commands.turn, 0)) % 4
        self._move(state, commands, active, streams)
        target = self._tag(state, commands.tag & active)
        tagged = (target[:, :, None] == np.arange(target.shape[1])).any(1)
        carrying = state.carrying
        self._leave_and_return(state, tagged, was_out)
        captured, picked_up, returned = self._touch(state)
        hit = target >= 0
        hit_carrier = hit & np.take_along_axis(carrying, target, 1)  # -1 is masked
        own = np.stack([captured, picked_up, returned], -1).astype(np.float32)
        sums = own.reshape(len(own), 2, -1, 3).sum(2)
        mine, others = sums[:, self._team], sums[:, 1 - self._team]
        was = np.stack([tagged & carrying, tagged & ~carrying], -1)
        tags = np.stack([hit_carrier, hit & ~hit_carrier], -1)
        parts = [was, own, mine - own, tags, others]
        return np.concatenate([part.astype(np.float32) for part in parts], -1)

    def _move(
        self, state: State, commands: Commands, active: np.ndarray, streams: Streams
    ) -> None:
        """Moves players by a tile each, in an order drawn anew; carried flags move along."""
        order = streams.draw(self._config.players).argsort(1, kind="stable")
        games, place = np.arange(len(order)), state.place
        ahead = self._directions[state.heading] * commands.ahead
        side = self._directions[(state.heading + 1) % 4] * commands.side
        for who in order.T:
            waits = active[games, who]
            for way in (ahead, side):  # the second only where the first is blocked
                there = place[games, who] + way[games, who]
                taken = ((place == there[:, None]) & active).any(1)
                goes = waits & ~state.walls[games, there] & ~taken
                place[games, who] = np.where(goes, there, place[games, who])
                waits = waits & ~goes
        carried = np.take_along_axis(place, state.carrier, 1)  # -1 is masked
        state.flag = np.where(state.carrier >= 0, carried, state.flag)

    def _tag(self, state: State, wants: np.ndarray) -> np.ndarray:
        """Returns [G, P], the opponent that each player tags; -1 is nobody."""
        games = np.arange(len(wants))[:, None]
        flies = wants & (state.cooldown == 0)
        state.cooldown = np.where(flies, COOLDOWN, state.cooldown)
        here, way = state.place, self._directions[state.heading]
        can_be_hit = self._enemy & (state.out == 0)[:, None]
        target, state.beam = np.full(here.shape, -1), np.zeros(here.shape, int)
        for _ in range(RANGE):
            here = here + way * flies
            flies = flies & ~state.walls[games, here]
            state.beam += flies
            hit = (here[:, :, None] == state.place[:, None]) & can_be_hit
            hit &= flies[:, :, None]
            found = hit.any(2)
            target = np.where(found, hit.argmax(2), target)
            flies = flies & ~found
        return target

    def _leave_and_return(
        self, state: State, tagged: np.ndarray, was_out: np.ndarray
    ) -> None:
        """Takes tagged players out, with flags dropped where they were, and brings others back."""
        dropped = np.take_along_axis(tagged, state.carrier, 1) & (state.carrier >= 0)
        state.carrier = np.where(dropped, -1, state.carrier)
        state.out = state.out - was_out
        back = was_out & (state.out == 0)
        state.place = np.where(back, self._places.spawn, state.place)
        state.heading = np.where(back, self._places.heading, state.heading)
        state.out = np.where(tagged, self._config.out_steps, state.out)

    def _touch(self, state: State) -> np.ndarray:
        """Lets players pick up, return and capture flags.

        Returns:
            [3, G, P] bool, who captured, picked up, returned.
        """
        games, base = np.arange(len(state.flag)), self._places.base
        done = np.zeros((3, *state.place.shape), bool)
        captured, picked_up, returned = done
        in_play = state.out == 0
        on_flag = [in_play & (state.place == state.flag[:, [f]]) for f in (0, 1)]
        for flag in (0, 1):
            touches = on_flag[flag] & (self._team != flag)
            picks = touches.any(1) & (state.carrier[:, flag] < 0)
            who = touches.argmax(1)
            state.carrier[:, flag] = np.where(picks, who, state.carrier[:, flag])
            picked_up[games, who] |= picks
        for flag in (0, 1):
            touches = on_flag[flag] & (self._team == flag)
            lies = (state.carrier[:, flag] < 0) & (state.flag[:, flag] != base[flag])
            returns = touches.any(1) & lies
            state.flag[:, flag] = np.where(returns, base[flag], state.flag[:, flag])
            returned[games, touches.argmax(1)] |= returns
        home = (state.carrier < 0) & (state.flag == base)
        for team in (0, 1):
            who = state.carrier[:, 1 - team].copy()
            scores = (who >= 0) & (state.place[games, who] == base[team])
            scores &= home[:, team]
            state.score[:, team] += scores
            state.flag[scores, 1 - team] = base[1 - team]
            state.carrier[scores, 1 - team] = -1
            captured[games, who] |= scores
        return done
