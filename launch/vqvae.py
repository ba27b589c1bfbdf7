"""A VQ-VAE and a prior of its codes: `python -m launch.vqvae --data=mnist` or `--data=atari:Pong`.

Trains nets and codebook, then a Transformer on the codes, reports bits per dimension, and draws reconstructions with
their codes, samples and the use of the codebook. --preset=vqvae2 has two levels. The same command resumes.
"""

import launch.origin  # noqa: F401

from agents.vqvae.config import PRESETS, VQVAEConfig
from launch import app, codes

codes.define_flags(VQVAEConfig, PRESETS)


def model() -> type:
    """Loads TensorFlow and returns the model."""
    from agents.vqvae.model import VQVAE

    return VQVAE


def main() -> None:
    """Runs what the flags say."""
    codes.fit(codes.settings("vqvae", VQVAEConfig, PRESETS), model)


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
