import numpy as np

from agents.episodes import Episodes


def fill(episodes, starts, num_rows):
    for number in range(num_rows):
        episodes.add(number, np.array([number in begins for begins in starts]))


def drawn(view, first, stop, size=2000):
    columns = view.draw(np.random.default_rng(0), size, first, stop)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_episodes_of_all_streams_are_drawn_the_open_and_the_cut_one_included():
    episodes = Episodes(2)
    fill(episodes, [{0, 4, 9}, {0, 6}], 12)
    assert len(episodes) == 5
    want = {(0, 0, 4), (0, 4, 9), (0, 9, 12), (1, 0, 6), (1, 6, 12)}
    assert drawn(episodes.view(), 0, 12) == want
    episodes.forget(5)
    assert len(episodes) == 4
    want = {(0, 5, 9), (0, 9, 12), (1, 5, 6), (1, 6, 12)}
    assert drawn(episodes.view(), 5, 12) == want


def test_first_rows_in_a_run_begin_one_episode():
    episodes = Episodes(1)
    fill(episodes, [{0, 4, 5, 6, 7}], 10)
    assert drawn(episodes.view(), 0, 10) == {(0, 0, 4), (0, 4, 10)}


def test_a_stream_that_begins_in_the_middle_of_an_episode_has_one():
    episodes = Episodes(1)
    fill(episodes, [{3}], 5)
    assert drawn(episodes.view(), 0, 5) == {(0, 0, 3), (0, 3, 5)}


def test_a_view_stays_as_it_was_while_episodes_come_and_go():
    episodes = Episodes(1)
    fill(episodes, [set(range(0, 100, 3))], 50)
    view = episodes.view()
    want = drawn(view, 0, 50)
    fill_on = [number % 3 == 0 for number in range(50, 400)]
    for number, first in enumerate(fill_on, 50):
        episodes.add(number, np.array([first]))
        if number % 40 == 0:
            episodes.forget(number - 20)
    assert drawn(view, 0, 50) == want


def test_forgotten_episodes_take_no_memory():
    episodes = Episodes(1)
    for number in range(40_000):
        episodes.add(number, np.array([number % 2 == 0]))
        if number >= 1000 and number % 100 == 0:
            episodes.forget(number - 1000)
    assert len(episodes) <= 551
    assert sum(starts.nbytes for starts in episodes.view().starts) < 40_000


def test_a_restored_index_goes_on_as_the_one_that_was_never_stopped():
    straight, stopped, resumed = Episodes(2), Episodes(2), Episodes(2)
    flags = np.random.default_rng(0).random((300, 2)) < 0.3
    flags[99:101] = True  # saved within a run of first rows
    for number in range(100):
        straight.add(number, flags[number])
        stopped.add(number, flags[number])
    straight.forget(40)
    stopped.forget(40)
    resumed.set_state(stopped.get_state())
    for number in range(100, 300):
        straight.add(number, flags[number])
        resumed.add(number, flags[number])
    assert len(straight) == len(resumed)
    assert drawn(straight.view(), 40, 300) == drawn(resumed.view(), 40, 300)
