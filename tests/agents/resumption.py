"""Runs that were stopped and go on, beside those that never stopped."""

import numpy as np

from agents import training


def resumed_and_through(name, folder, env_steps=92, **settings):
    """Trains once with a stop halfway and once without; returns the second agent, when the first is equal bit by bit."""

    def run(logdir, until):
        return training.train(
            training.settings(
                name,
                preset="debug",
                logdir=str(folder / logdir),
                env_steps=until,
                save_every=env_steps // 2,
                eval_every=0,
                video_every=0,
                **settings,
            )
        )

    through = run("through", env_steps)
    run("resumed", env_steps // 2)
    resumed = run("resumed", env_steps)
    assert through.updates == resumed.updates > 6
    for name, value in through.variables().items():
        np.testing.assert_array_equal(value, resumed.variables()[name], err_msg=name)
    return through
