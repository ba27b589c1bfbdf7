"""Trains DreamerV2: `python -m launch.dreamerv2 --game=Pong`.

Stop it with Ctrl-C and the same command resumes. Without --preset it takes the one that suits the environment and
this machine, and says so. The defaults that --help lists are those of the preset atari; a preset sets its own, and a flag
wins over it.
"""

import launch.origin  # noqa: F401

from agents import training
from launch import app, tensorflow_log

_ON_CPU = """What to expect: on two cores about {hours:.0f} hours per million frames. Published curves, with a larger model and
batch, have Pong at -18 after 1 million frames, -9 after 2 and +11 after 5: for the first hours it stays at -21.
Boxing and Krull move first. To see something learned within ten minutes: make demo"""


def default_preset(env: str) -> str:
    """Returns the preset for an environment on this machine."""
    preset = app.say_preset("dreamerv2")(env)
    if env.startswith("atari:") and preset == "atari_small":
        print(_ON_CPU.format(hours=HOURS_PER_MILLION_FRAMES))
    return preset


HOURS_PER_MILLION_FRAMES = 4.0  # atari_small on two cores: scores/benchmark


def main() -> None:
    """Runs what the flags say."""
    settings = app.run_settings("dreamerv2", default_preset)
    tensorflow_log.load()
    training.train(settings)


def cli() -> None:
    """The console script."""
    app.run(main)


app.define_run_flags("dreamerv2")

if __name__ == "__main__":
    cli()
