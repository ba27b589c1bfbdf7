"""Trains SAC: `python -m launch.sac --env=gym:CartPole-v1 --estimator=straight_through`.

Actions are choices (one, or several at once) or real numbers. The gradient of a choice goes through a sample of it by an
estimator, or is exact. Stop it with Ctrl-C and the same command resumes. The defaults that --help lists are those of the preset
paper; a preset sets its own, and a flag wins over it.
"""

import launch.origin  # noqa: F401

from launch import app

AGENT = "sac"


def main() -> None:
    """Runs what the flags say."""
    app.train(AGENT)


def cli() -> None:
    """The console script."""
    app.run(main)


app.define_run_flags(AGENT)

if __name__ == "__main__":
    cli()
