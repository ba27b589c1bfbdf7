"""Training runs: environments, agent, logger and checkpoints around the driver."""

import contextlib
import pathlib
import shlex
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from agents import (
    actors,
    checkpoint,
    command,
    driver,
    logdir,
    process,
    registry,
    score,
    suggestion,
    video,
    watching,
)
from agents import config as config_lib
from agents.api import Agent, Report, Tree, VectorEnv
from agents.every import Every
from agents.logger import Logger
from agents.settings import (
    FREE_TO_CHANGE,
    RunConfig,
    Settings,
    default_logdir,
    make_envs,
    settings,
)
from agents.status import Status

__all__ = [
    "FREE_TO_CHANGE",
    "Run",
    "RunConfig",
    "Settings",
    "default_logdir",
    "make_envs",
    "settings",
    "train",
]


EPISODES_SEEN = 20  # after these it is said which settings do not fit them


def train(settings: Settings) -> Agent:
    """Trains until `env_steps`, or until asked to stop; resumes what lies in the logdir.

    SIGINT and SIGTERM end the run after a save; the same settings resume it. A checkpoint ends the open episodes
    and starts new ones from seeds that depend on the step alone, so a resumed run equals one that went on.

    Raises:
        ValueError: If the logdir holds a run with other settings; names the differing ones.
        checkpoint.LogdirInUse: If another process trains there.
        checkpoint.DamagedError: If every checkpoint there is damaged.
    """
    logdir = _prepare(settings)
    with checkpoint.lock(logdir), Status(settings.run.env_steps) as status:
        run = Run(settings, status)
        try:
            with process.stop_on_signals(run.stop):
                run.train()
        finally:
            run.close()
    run.farewell()
    if run.stopped_by:
        raise SystemExit(128 + run.stopped_by)
    return run.agent


class Run:
    """One training run in its logdir.

    Args:
        settings: The resolved settings.
        status: Where to show what happens.
    """

    def __init__(self, settings: Settings, status: Status) -> None:
        self.settings, self.config = settings, settings.run
        self.stopped_by = 0
        self._status = status
        self._say = status.message
        status.phase("building")
        self.envs = make_envs(self.config)
        self._eval_envs: VectorEnv | None = None
        logdir = settings.logdir
        self.agent = registry.build(
            settings.agent, self.envs.spaces, settings.config, self.config.seed, logdir
        )
        self._checkpoints = checkpoint.Checkpoints(
            logdir / "checkpoints", self.config.keep, report=self._say
        )
        self._logger = Logger(
            logdir,
            self.envs.frames_per_step,
            outputs=("tensorboard", "jsonl"),
            echo=self._say,
        )
        status.set_frames_per_step(self.envs.frames_per_step)
        self._recorder = video.EpisodeRecorder()
        self._last_episode: np.ndarray | None = None
        self._longest = 0  # steps of an episode so far
        self._cannot_show = False
        self._seen = suggestion.Seen()
        self._advised: set[str] = set()
        self._should = {
            "log": Every(self.config.log_every),
            "eval": Every(self.config.eval_every),
            "video": Every(self.config.video_every, self._first_video()),
        }
        self._resume()
        if self.config.actors or self.config.arenas:
            self._set_phase("starting processes")
        self._workers = actors.make_workers(self.agent, settings, self._say)
        self.agent.on_update = self._on_update
        registry.write_config(logdir, self._description())
        self._introduce()
        self._advise()

    def stop(self, number: int, _: Any = None) -> None:
        """Asks the run to end: it saves and returns."""
        self._say(
            "still saving" if self.stopped_by else "stopping: one save, then done"
        )
        self.stopped_by = number

    def train(self) -> None:
        """Runs segments, each from a reset to a save."""
        agent, config = self.agent, self.config
        self._started = time.monotonic()
        while agent.env_steps < config.env_steps and not (
            self._stopping() or self._time_is_up()
        ):
            start = agent.env_steps
            until = (start // config.save_every + 1) * config.save_every
            seed = _segment_seed(config.seed, start)
            for event in self._events(min(until, config.env_steps), seed):
                self._on_event(event)
                if self._stopping() or self._time_is_up():
                    break
            self._save()

    def _events(self, until: int, seed: int) -> Iterator[driver.Event]:
        """The loop of a segment, in this process or with others."""
        if self._workers is None:
            return driver.run(self.agent, self.envs, until=until, seed=seed)
        return self._workers.run(until, seed)

    def _settle(self) -> None:
        if self._workers is not None:
            self._workers.settle()

    def _time_is_up(self) -> bool:
        return 0 < self.config.minutes <= self._minutes()

    def _minutes(self) -> float:
        return (time.monotonic() - self._started) / 60

    def _stopping(self) -> bool:
        return self.stopped_by != 0

    def close(self) -> None:
        """Closes environments and threads."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.agent.close)
            stack.callback(self.envs.close)
            if self._workers is not None:
                stack.callback(self._workers.close)
            if self._eval_envs is not None:
                stack.callback(self._eval_envs.close)

    def farewell(self) -> None:
        """Prints what to do next."""
        logdir = shlex.quote(str(self.settings.logdir))
        done = self.agent.env_steps >= self.config.env_steps
        print(
            f"\n{'Finished' if done else 'Stopped'} at step {self.agent.env_steps:,}."
        )
        if not done:
            print(f"  resume    {process.command()}")
        print(f"  evaluate  {process.python()} -m launch.evaluate --logdir={logdir}")
        print(f"  plot      {process.python()} -m launch.plot --logdirs={logdir}")
        for name in self.agent.launchers:
            print(f"  {name:9} {process.python()} -m launch.{name} --logdir={logdir}")
        if self.config.video_every:
            print(f"  videos    {self.settings.logdir / 'videos'}")
        self._say_what_replay_takes(done)

    def _say_what_replay_takes(self, done: bool) -> None:
        replay = self.agent.replay
        if replay is None or not replay.disk_bytes:
            return
        size = f"  replay    {replay.disk_bytes / 1e6:,.1f} MB"
        if not done:
            print(f"{size}, needed to resume")
            return
        folder = shlex.quote(str(self.settings.logdir / "replay"))
        print(f"{size}, needed only to train on; what frees it:  rm -r {folder}")
        print(f"  disk      {process.python()} -m launch.doctor --disk")

    def _on_event(self, event: driver.Event) -> None:
        agent, config = self.agent, self.config
        self._advise_on(event)
        for episode in event.episodes:
            self._logger.episode(episode.score, episode.length)
            self._show_progress(episode.score)
        if event.metrics:
            self._logger.add(event.metrics)
        self._record(event)
        self._show_phase()
        self._show_progress()
        if self._should["log"](agent.env_steps):
            self._logger.add(self._replay_size())
            self._logger.write(agent.env_steps, agent.updates)
        if agent.updates and self._should["video"](agent.env_steps):
            self._make_videos()
        if agent.updates and self._should["eval"](agent.env_steps):
            self._evaluate()
        if agent.env_steps >= config.env_steps:
            self._logger.write(agent.env_steps, agent.updates)

    def _advise_on(self, event: driver.Event) -> None:
        """Looks at the first episodes, and says which settings do not fit them."""
        if self._seen.terminated + self._seen.truncated < EPISODES_SEEN:
            self._seen = self._seen.add(event.step, event.episodes)
            if self._seen.terminated + self._seen.truncated >= EPISODES_SEEN:
                self._advise()

    def _advise(self) -> None:
        for advice in suggestion.advise(self.agent, self._seen):
            if advice not in self._advised:
                self._advised.add(advice)
                self._say(f"Hint: {advice}.")

    def _show_phase(self) -> None:
        agent = self.agent
        if agent.collect_mode == "random":
            self._set_phase("filling replay", agent.config.prefill)
        else:
            self._set_phase("training", self.config.minutes or None)

    def _show_progress(self, score: float | None = None) -> None:
        """Counts towards the end in steps, or in minutes where the run ends by the clock."""
        by_clock = self.config.minutes and self._status.name == "training"
        done = self._minutes() if by_clock else None
        self._status.update(self.agent.env_steps, self.agent.updates, score, done)

    def _set_phase(self, name: str, total: float | None = None) -> None:
        if self._status.name != name:
            self._status.phase(name, total)

    def _on_update(self, done: int, due: int) -> None:
        if done == 0:
            if self.agent.updates == 0:
                self._set_phase("compiling")
        elif due > 1:
            self._set_phase("catching up with updates", due)
            self._status.update(self.agent.env_steps, self.agent.updates, done=done)

    def _record(self, event: driver.Event) -> None:
        if not self.config.video_every or self._workers is not None:
            return
        lengths = (episode.length for episode in event.episodes)
        self._longest = max(self._longest, *lengths, 0)
        if not (self._recorder.recording or self._video_is_near()):
            return
        episode = self._recorder.add(event.step, self.envs.render)
        if episode is not None:
            self._last_episode = episode

    def _video_is_near(self) -> bool:
        """Whether an episode that begins now may be the last before the next video: drawing takes longer than playing."""
        if self._last_episode is None:
            return True
        steps = self._should["video"].next - self.agent.env_steps
        return steps <= 2 * self._longest * self.envs.num_envs

    def _make_videos(self) -> None:
        self._settle()
        step = self.agent.env_steps
        if self._last_episode is not None:
            self._logger.video("episode", self._last_episode, step)
        self._write(self.agent.report())
        if self.agent.can_watch and not self._cannot_show:
            seed = _segment_seed(self.config.seed + 1, step)
            watched = watching.watch(self.agent, self._evaluation_envs(), seed)
            try:
                self._write(self.agent.show(watched))
            except ImportError as error:
                self._cannot_show = True
                self._say(f"No pictures of what goes on inside: {error}")

    def _write(self, report: Report) -> None:
        step = self.agent.env_steps
        self._logger.add(report.scalars)
        for name, frames in report.videos.items():
            self._logger.video(name, frames, step)
        for name, picture in report.pictures.items():
            self._logger.picture(name, picture, step)

    def _first_video(self) -> int:
        """Returns the start of the grid that has the first video soon after the first updates."""
        every = self.config.video_every
        return self.settings.config.prefill + every // 10 - every

    def _evaluate(self) -> None:
        from agents import evaluation

        self._settle()
        self._set_phase("evaluating", self.config.eval_episodes)
        episodes = evaluation.play(
            self.agent,
            self._evaluation_envs(),
            self.config.eval_episodes,
            seed=_segment_seed(self.config.seed + 1, self.agent.env_steps),
            mode="greedy",
            progress=lambda done: self._status.update(
                self.agent.env_steps, self.agent.updates, done=done
            ),
            stop=lambda: bool(self.stopped_by),
        )
        for episode in episodes:
            self._logger.episode(episode.score, episode.length, "eval")

    def _evaluation_envs(self) -> VectorEnv:
        if self._eval_envs is None:
            rows = max(1, min(4, self.config.eval_episodes))
            self._eval_envs = make_envs(self.config, rows)
        return self._eval_envs

    def _save(self) -> None:
        self._set_phase("saving")
        self._settle()
        tree = {
            "agent": self.agent.get_state(),
            "logger": self._logger.get_state(),
            "triggers": {key: every.get_state() for key, every in self._should.items()},
        }
        self._checkpoints.save(self.agent.env_steps, tree)
        if self.agent.replay is not None:
            kept = registry.chunks_kept(self._checkpoints)
            self.agent.replay.collect_garbage(kept)

    def _resume(self) -> None:
        registry.refuse_without_replay(self.settings.logdir)
        step = self._checkpoints.restore(self._restore)
        if step is not None:
            self._say(f"resuming at step {step:,}")

    def _restore(self, tree: Tree) -> None:
        self.agent.set_state(tree["agent"])
        if "logger" not in tree:
            return  # saved by `agent.save`, not by a run
        self._logger.set_state(tree["logger"])
        for key, state in tree["triggers"].items():
            self._should[key].set_state(state)

    def _replay_size(self) -> Mapping[str, float]:
        replay = self.agent.replay
        if replay is None:
            return {}
        return {
            "replay_steps": replay.num_rows,
            "replay_episodes": replay.num_episodes,
            "replay_gb": replay.disk_bytes / 1e9,
        }

    def _description(self) -> Tree:
        logdir = self.settings.logdir
        resumes = (logdir / "config.json").exists()
        before = registry.read_config(logdir) if resumes else {}
        content = registry.describe(self.agent, **_identity(self.settings))
        content["command"] = command.of_run(content)
        content |= score.origin(before.get("commit", ""))
        return content | {"device": process.device()}

    def _introduce(self) -> None:
        config, agent = self.config, self.agent
        lines = [
            f"{self.settings.agent} on {config.env}, preset {self.settings.preset or 'default'}"
            + "".join(f", {name}" for name in self.settings.variants),
            f"  {agent.parameters / 1e6:.2f} M parameters, {agent.config.precision}, {process.device()}",
            f"  {config.env_steps:,} steps ({config.env_steps * self.envs.frames_per_step:,} frames), "
            f"{config.num_envs} environment(s), seed {config.seed}",
            f"  replay up to {agent.replay_bytes() / 1e9:.2f} GB on disk; logdir {self.settings.logdir}",
        ]
        self._say("\n".join(lines))


def _identity(settings: Settings) -> Tree:
    return {
        "preset": settings.preset,
        "ablate": list(settings.ablate),
        "variants": list(settings.variants),
        "run": config_lib.to_json(settings.run),
    }


def _prepare(settings: Settings) -> pathlib.Path:
    """Returns the logdir, made and writable, empty or with a run of the same settings."""
    path = settings.logdir
    logdir.prepare(path, settings.fresh)
    if (path / "config.json").exists():
        _refuse_other(registry.read_config(path), settings)
    return path


def _refuse_other(saved: Tree, settings: Settings) -> None:
    """Raises ValueError if the saved run is not the one asked for."""
    now = {"agent": settings.agent} | config_lib.to_json(settings.run)
    now |= config_lib.to_json(settings.config)
    there = {"agent": saved.get("agent")} | saved.get("run", {}) | saved["config"]
    if now.get("precision") == "auto":
        now["precision"] = there.get("precision")
    logdir.refuse_other(settings.logdir, there, now, FREE_TO_CHANGE)


def _segment_seed(seed: int, env_steps: int) -> int:
    """Returns the seed of the environments after the save at a step."""
    return int(np.random.SeedSequence([seed, env_steps]).generate_state(1)[0] >> 1)
