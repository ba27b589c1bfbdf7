"""Plays runs one after another, with what of it is shown meanwhile."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress

from agents import evaluation
from agents.api import Mode, Tree
from agents.status import duration
from launch import evaluations
from launch.evaluations import LeftOut, Target


class How(NamedTuple):
    """How every run is played; see `agents.evaluation.evaluate`.

    Attributes:
        seeds: Each run plays all its episodes with each.
        video: Where the video goes, of each run's first seed; of several runs each has its folder in the name.
    """

    episodes: int
    seeds: Sequence[int]
    mode: Mode
    num_envs: int
    env: str
    env_options: str
    agent_options: str
    video: str


class Session:
    """Plays all runs: a bar on the terminal, and where there are several a line for each with the time left.

    A run counts with all its seeds or not at all; one that fails does not end the others.

    Args:
        targets: What is played.
        how: And how.

    Attributes:
        entries: A result per run and seed.
        left_out: The runs that failed.
        interrupted: Whether Ctrl-C ended it; the runs that were still to come are left out then.
    """

    def __init__(self, targets: Sequence[Target], how: How) -> None:
        self.entries: list[Tree] = []
        self.left_out: list[LeftOut] = []
        self.interrupted = False
        self._targets, self._how = targets, how
        self._number = len(targets) * len(how.seeds)
        self._done = 0
        self._start = time.monotonic()
        self._progress = Progress(console=Console(stderr=True), transient=True)
        total = self._number * how.episodes
        self._task = self._progress.add_task("evaluating", total=total)

    def run(self) -> None:
        """Plays them."""
        with self._progress:
            for i, target in enumerate(self._targets):
                self._done = i * len(self._how.seeds)
                try:
                    self.entries += self._play(target)
                except evaluations.OF_ONE_RUN as error:
                    failed = LeftOut(target.folder, error)
                    self.left_out.append(failed)
                    self._done = (i + 1) * len(self._how.seeds)
                    self._tell(f"left out: {evaluations.why(failed)}")
                except KeyboardInterrupt:
                    why = ValueError("interrupted")
                    rest = self._targets[i:]
                    self.left_out += [LeftOut(each.folder, why) for each in rest]
                    self.interrupted = True
                    return

    def _play(self, target: Target) -> list[Tree]:
        how = self._how
        player = evaluation.Evaluator(
            target.folder, how.env, how.env_options, how.agent_options
        )
        path = evaluations.video_path(how.video, target, self._targets)
        entries: list[Tree] = []
        for seed in how.seeds:
            result = player.play(
                episodes=how.episodes,
                seed=seed,
                mode=how.mode,
                num_envs=how.num_envs,
                video_path="" if entries else path,
                progress=self._advance,
            )
            entries.append(evaluations.entry(target, result))
            self._done += 1
            self._tell(f"{target.folder}, seed {seed}: {evaluations.line(result)}")
        player.agent.close()
        return entries

    def _advance(self, episodes: int) -> None:
        completed = self._done * self._how.episodes + episodes
        self._progress.update(self._task, completed=completed)

    def _tell(self, text: str) -> None:
        if self._number == 1:
            return
        spent = time.monotonic() - self._start
        left = duration(spent / self._done * (self._number - self._done))
        self._progress.console.print(
            f"{self._done}/{self._number} {text}, {left} left",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
