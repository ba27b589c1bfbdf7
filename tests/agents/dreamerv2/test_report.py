import numpy as np

from tests.agents.dreamerv2 import common


def test_a_dream_is_gray_once_its_episode_has_ended_and_its_errors_stop_there():
    agent = common.make()
    rows = common.rows(agent)
    rows["is_first"][:] = False
    rows["is_first"][6, 0] = True
    result = agent.open_loop(rows)
    for pictures in (result.truth, result.model):
        for video in pictures.values():
            assert (video[0, 6:] == 0.5).all()
            assert not (video[0, :6] == 0.5).all((1, 2, 3)).any()
            assert not (video[1] == 0.5).all((1, 2, 3)).any()
    rows["is_first"][:] = False
    whole = agent.open_loop(rows)
    np.testing.assert_allclose(result.copy_error[0], whole.copy_error[0], rtol=1e-6)
    assert result.copy_error[1] != whole.copy_error[1]
