"""What a game of capture the flag is played with: the board, the teams, the clock."""

import dataclasses

SIZES = (9, 11, 15)
LARGEST_TEAM = 4


@dataclasses.dataclass(frozen=True)
class CtfConfig:
    """The settings of a game.

    Attributes:
        size: Tiles of the board a side, 9, 11 or 15, the outer wall included.
        team_size: Players of a team, 1 to 4.
        length: Steps of a game.
        out_steps: Steps that a tagged player is out.
        rgb: Whether the image is a picture, [84, 84, 3], and not planes, [11, 11, 7].
        factored: Whether actions are MultiDiscrete([3, 3, 3, 2]) and not Discrete(8).
        win_reward: Whether the last step is rewarded: 1 for a win, -1 for a defeat, 0 for a draw.

    Raises:
        ValueError: For a setting out of its range.
    """

    size: int = 9
    team_size: int = 2
    length: int = 150
    out_steps: int = 10
    rgb: bool = False
    factored: bool = False
    win_reward: bool = False

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size={self.size} came; expected one of {SIZES} tiles")
        if not 1 <= self.team_size <= LARGEST_TEAM:
            raise ValueError(
                f"team_size={self.team_size} came; expected 1 to {LARGEST_TEAM} players"
            )
        for key in ("length", "out_steps"):
            if getattr(self, key) < 1:
                raise ValueError(
                    f"{key}={getattr(self, key)} came; expected at least 1 step"
                )

    @property
    def players(self) -> int:
        """Players of a game: the first half is team 0, the second team 1."""
        return 2 * self.team_size


PRESETS = {
    "small": CtfConfig(),
    "medium": CtfConfig(size=11, length=200, out_steps=15),
    "large": CtfConfig(size=15, length=300, out_steps=20),
}
