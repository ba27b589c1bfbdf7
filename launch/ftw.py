"""Trains FTW by self-play: `python -m launch.ftw --env=ctf:small`.

Every player of every game is the same agent; `--population=4` trains four that evolve, and with `--arenas=2` they learn and play in
processes of their own, here or on a cluster (docs/cluster.md). Stop it with Ctrl-C and the same command resumes; `python -m launch.match` then
plays it against scripted teams or other runs. The defaults that --help lists are those of the preset paper; a preset sets its own,
and a flag wins over it.
"""

import launch.origin  # noqa: F401

from launch import app

AGENT = "ftw"


def main() -> None:
    """Runs what the flags say."""
    app.train(AGENT)


def cli() -> None:
    """The console script."""
    app.run(main)


app.define_run_flags(AGENT)

if __name__ == "__main__":
    cli()
