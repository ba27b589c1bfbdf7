import contextlib
import io
import os
import pty
import threading

import pytest

from agents.status import Status


@contextlib.contextmanager
def _terminal():
    """Yields a stream that is a terminal and the list of bytes that arrived there, complete at the end."""
    master, slave = pty.openpty()
    shown = []

    def read():
        with contextlib.suppress(OSError):  # Linux: the other end was closed
            while data := os.read(master, 4096):
                shown.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(slave, "w") as stream:
        yield stream, shown
    reader.join()
    os.close(master)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def plain():
    clock, stream = Clock(), io.StringIO()
    return Status(10_000, 4, stream, clock), clock, stream


def _run(status, clock, steps, speed, updates=lambda step: 0):
    for step in steps:
        status.update(step, updates(step))
        clock.now += 10 / speed


def test_rates_and_time_left_are_those_of_the_phase(plain):
    status, clock, _ = plain
    status.phase("filling replay", total=1000)
    _run(status, clock, range(0, 510, 10), speed=100)
    assert "50%" in status.line() and "ETA 00:05" in status.line()
    assert "400 fps" in status.line() and "updates/s" not in status.line()
    status.phase("training")
    _run(status, clock, range(1000, 2010, 10), speed=10, updates=lambda s: s // 5)
    line = status.line()
    assert "20%" in line and "ETA 13:20" in line
    assert "40 fps" in line and "2 updates/s" in line


def test_only_the_last_minute_counts(plain):
    status, clock, _ = plain
    status.phase("training")
    _run(status, clock, range(0, 2000, 10), speed=100)
    _run(status, clock, range(2000, 4010, 10), speed=20)
    assert "ETA 05:00" in status.line()


def test_an_evaluation_in_between_does_not_disturb_the_time_left(plain):
    status, clock, _ = plain
    status.phase("training")
    _run(status, clock, range(0, 1010, 10), speed=50)
    for _ in range(2):
        status.phase("evaluating", total=5)
        assert "0%" in status.line()
        for episode in range(5):
            clock.now += 100
            status.update(1000, 0, done=episode)
        assert "80%" in status.line() and "ETA 01:40" in status.line()
    status.phase("training")
    assert "10%" in status.line() and "ETA 03:00" in status.line()


def test_a_resumed_run_starts_at_its_place(plain):
    status, clock, _ = plain
    status.phase("training")
    _run(status, clock, range(7500, 8010, 10), speed=10)
    assert "80%" in status.line() and "ETA 03:20" in status.line()


def test_the_return_is_the_mean_of_the_last_ten_episodes(plain):
    status, _, _ = plain
    assert "return" not in status.line()
    for ret in [1000.0] * 5 + [float(r) for r in range(10)]:
        status.update(1, 1, ret)
    assert "return 4.5" in status.line()


def test_a_log_file_gets_phase_changes_and_one_line_per_half_minute(plain):
    status, clock, stream = plain
    with status:
        status.phase("building")
        status.phase("training")
        for step in range(0, 10_000, 10):
            status.update(step, 0)
            clock.now += 0.1
        status.message("a message")
    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert lines[0].startswith("building") and lines[1].startswith("training")
    assert len(lines) == 2 + 3 + 1 + 1 and lines[-2] == "a message"


def test_phases_that_alternate_quickly_do_not_flood_a_log_file(plain):
    status, clock, stream = plain
    for step in range(1000):
        for name in ("training", "catching up with updates"):
            status.phase(name)
            status.update(step, step)
            clock.now += 0.01
    assert status.name == "catching up with updates"
    assert 8 <= len(stream.getvalue().splitlines()) <= 10


def test_a_stream_that_cannot_be_written_does_not_stop_the_run():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    with Status(100, stream=Full()) as status:
        status.phase("training")
        status.update(1, 1)
        status.message("text")


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("interrupted", [False, True])
def test_on_a_terminal_the_line_fits_and_the_cursor_comes_back(
    columns, interrupted, monkeypatch
):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    with (
        _terminal() as (stream, shown_on),
        contextlib.suppress(KeyboardInterrupt),
        Status(10_000, 4, stream) as status,
    ):
        status.phase("training")
        status.update(2500, 100, -20.5)
        status.message("text [not markup]")
        if interrupted:
            raise KeyboardInterrupt
    shown = b"".join(shown_on).decode()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert "training" in shown and "25%" in shown and "text [not markup]" in shown
    drawn = Status(10_000, 4, io.StringIO())
    drawn.phase("training")
    drawn.update(2500, 100, -20.5)
    with drawn._console.capture() as capture:
        drawn._console.print(drawn._render())
    assert [len(line) <= columns for line in capture.get().splitlines()] == [True]
