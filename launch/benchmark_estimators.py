"""The cases of `--suite=estimators`: training steps of the models of the Gumbel-Softmax paper's Table 1, per CPU second.

One thread per case (`ENVIRONMENT`), so that a step per CPU second is a step per second and core. Random binary images of
MNIST's shape: no file is needed, and a step takes as long as with digits.

References: an earlier TensorFlow loop of the same models with Gumbel-Softmax and batches of 100, measured by this
project, in CPU seconds of one thread, on a machine that other work kept busy; the case `machine` says what this one does.
"""

import time
from collections.abc import Callable

import numpy as np

from agents.gumbel_softmax.config import ESTIMATORS, LATENTS, TASKS
from launch.measures import Row, machine_case, measured

_REFERENCES = {
    "sbn/bernoulli": 375.0,
    "sbn/categorical": 304.0,
    "vae/bernoulli": 228.0,
    "vae/categorical": 207.0,
}
_STEPS = 50  # per call of the compiled loop, as in training


def model_case(task: str, latent: str, estimator: str) -> Callable[[int], list[Row]]:
    """Steps per CPU second of one model with one estimator; the median of `repeats` calls of 50 steps."""

    def case(repeats: int) -> list[Row]:
        from agents.gumbel_softmax.config import GumbelSoftmaxConfig
        from agents.gumbel_softmax.model import GumbelSoftmaxModel

        config = GumbelSoftmaxConfig(task=task, latent=latent, estimator=estimator)
        rng = np.random.default_rng(0)
        shape = (_STEPS, config.batch_size, 784)
        images = rng.integers(2, size=shape, dtype=np.uint8)
        model = GumbelSoftmaxModel(config, images.mean((0, 1), np.float32), seed=0)
        model.updates_on(images[:1])
        model.updates_on(images)
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            model.updates_on(images)
            seconds.append(time.process_time() - start)
        name = f"{task}/{latent}"
        ours = estimator == "gumbel_softmax"
        return [
            measured(
                f"{name}/{estimator}",
                _STEPS / float(np.median(seconds)),
                "steps/CPU s",
                "higher",
                _REFERENCES[name] if ours else None,
            )
        ]

    return case


CASES: dict[str, Callable[[int], list[Row]]] = {
    "machine": machine_case,
    **{
        f"{task}/{latent}/{estimator}": model_case(task, latent, estimator)
        for task in TASKS
        for latent in LATENTS
        for estimator in ESTIMATORS
    },
}
