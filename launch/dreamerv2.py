"""Trains DreamerV2: `python -m launch.dreamerv2 --game=Pong`.

Stop it with Ctrl-C and the same command resumes. Without --preset it takes the one that suits the environment and
this machine, and says so. The defaults that --help lists are those of the preset atari; a preset sets its own, and a flag
wins over it.
"""

import launch.origin  # noqa: F401

from agents import training
from launch import app, tensorflow_log

_SUITE_PRESETS = {
    "atari": "atari",
    "minatar": "minatar",
    "minigrid": "minigrid",
    "zoo": "catch",
}

_ON_CPU = """No GPU here: taking the preset atari_small (4.5 M parameters instead of 22 M), not atari.
What to expect: on two cores about {hours:.0f} hours per million frames. Published curves, with a larger model and
batch, have Pong at -18 after 1 million frames, -9 after 2 and +11 after 5: for the first hours it stays at -21.
Boxing and Krull move first. To see something learned within ten minutes: make demo"""


def default_preset(env: str) -> str:
    """Returns the preset for an environment on this machine."""
    suite = env.split(":")[0]
    preset = _SUITE_PRESETS.get(suite, "minatar")
    if preset == "atari" and not _has_gpu():
        print(_ON_CPU.format(hours=HOURS_PER_MILLION_FRAMES))
        return "atari_small"
    print(f"Taking the preset {preset} for {env}; --preset chooses another.")
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


def _has_gpu() -> bool:
    tensorflow_log.load()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


app.define_run_flags("dreamerv2")

if __name__ == "__main__":
    cli()
