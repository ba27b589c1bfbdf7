"""Launchers: absl flags in, runs out. `python -m launch.doctor` shows what is installed."""

__zoo__ = "latent-agent-zoo"
