"""What is so in games of capture the flag, as each player might know it: yes or no, from the whole state."""

import numpy as np

from envs import ctf_map
from envs.ctf_rules import State

NEAR = 2  # tiles to every side

FACTS = (
    "I have the flag",
    "my teammate has the flag",
    "our flag is away",
    "our flag lies somewhere",
    "their flag is away",
    "I am out",
    "my teammate is near",
    "an opponent is near",
    "I am at our base",
    "I am at their base",
    "we are ahead",
    "they are ahead",
)


def facts(state: State, size: int) -> dict[str, np.ndarray]:
    """Returns which of `FACTS` hold for each player.

    Away is not at home, carried or not; near is within two tiles to every side, of players who are in play; a teammate is any.

    Args:
        state: Where games stand.
        size: Tiles a side.

    Returns:
        Name -> [G, P] bool.
    """
    games, players = state.place.shape
    half = players // 2
    base = ctf_map.places(size, half).base
    team = np.repeat([0, 1], half)
    own, other = team[None], 1 - team[None]
    away = (state.flag != base) | (state.carrier >= 0)
    lies = away & (state.carrier < 0)
    mates = team[:, None] == team[None, :]
    np.fill_diagonal(mates, False)
    opponents = team[:, None] != team[None, :]
    close = _apart(state.place[:, :, None], state.place[:, None, :], size) <= NEAR
    playing = state.out == 0
    met = close & playing[:, :, None] & playing[:, None, :]
    ahead = (state.score[:, :1] - state.score[:, 1:]) * np.where(team == 0, 1, -1)

    def of(flag_of_team: np.ndarray, whose: np.ndarray) -> np.ndarray:
        return np.take_along_axis(flag_of_team, np.broadcast_to(whose, (games, players)), 1)  # fmt: skip

    found = (
        state.carrying,
        (mates & state.carrying[:, None, :]).any(2),
        of(away, own),
        of(lies, own),
        of(away, other),
        ~playing,
        (met & mates).any(2),
        (met & opponents).any(2),
        playing & (_apart(state.place, base[team], size) <= NEAR),
        playing & (_apart(state.place, base[1 - team], size) <= NEAR),
        ahead > 0,
        ahead < 0,
    )
    return dict(zip(FACTS, found, strict=True))


def _apart(one: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    """Steps of a king between tiles."""
    (y, x), (v, u) = np.divmod(one, size), np.divmod(other, size)
    return np.maximum(np.abs(y - v), np.abs(x - u))
