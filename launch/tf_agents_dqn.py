"""Trains TF-Agents' DQN or C51 as a model-free reference: `python -m launch.tf_agents_dqn --game=Pong [--algorithm=c51]`.

Environments, logs, checkpoints, evaluation and plots are those of every agent here; the algorithm is TF-Agents'. Stop it
with Ctrl-C and the same command resumes. Without --preset it takes the one that suits the environment, and says so. The
defaults that --help lists are those of the preset atari; a preset sets its own, and a flag wins over it.
"""

import launch.origin  # noqa: F401

from launch import app

AGENT = "tf_agents_dqn"


def main() -> None:
    """Runs what the flags say."""
    app.train(AGENT)


def cli() -> None:
    """The console script."""
    app.run(main)


app.define_run_flags(AGENT)

if __name__ == "__main__":
    cli()
