"""What happens when an environment raises, dies, hangs, or breaks its own spaces."""

import pickle
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import envs
from envs import EnvError

BAD, GOOD = 1, 0


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., envs.VectorEnv]]:
    """Makes three rows of `Broken`, and closes them afterwards."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    made = []

    def make(fault: str, where: str = "step", **options: Any) -> envs.VectorEnv:
        kwargs = {"fault": fault, "where": where}
        made.append(envs.make("broken_envs:Broken", 3, kwargs=kwargs, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def error_of_row_1(env: envs.VectorEnv) -> str:
    """Steps twice, with the fault in row 1 the second time, and returns the error's text."""
    env.reset()
    env.step(np.array([GOOD, GOOD, GOOD]))
    with pytest.raises(EnvError) as caught:
        env.step(np.array([GOOD, BAD, GOOD]))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("parallel", ["sync", "process"])
@pytest.mark.parametrize(
    ("fault", "cause"),
    [("raise", "KeyError: 'the cause'"), ("odd", "odd: ('left', 'right')")],
)
def test_an_exception_in_step_arrives_with_row_step_action_and_its_traceback(
    broken: Callable, parallel: str, fault: str, cause: str
) -> None:
    before = children()
    text = error_of_row_1(broken(fault, parallel=parallel))
    assert text.startswith("env 1, step 2, last action 1: step raised")
    assert cause in text and "broken_envs.py" in text and "in _commit" in text
    assert children() == before


@pytest.mark.parametrize("parallel", ["sync", "process"])
def test_an_environment_that_calls_sys_exit_does_not_end_the_run(
    broken: Callable, parallel: str
) -> None:
    assert "SystemExit: 3" in error_of_row_1(broken("sys.exit", parallel=parallel))


@pytest.mark.parametrize("parallel", ["sync", "process"])
def test_an_exception_in_the_constructor_or_in_reset_says_where_it_was(
    broken: Callable, parallel: str
) -> None:
    with pytest.raises(EnvError, match=r"env .*its constructor raised(.|\n)*the cause"):
        broken("raise", "init", parallel=parallel)
    env = broken("raise", "reset", parallel=parallel)
    with pytest.raises(EnvError, match=r"env .*reset raised(.|\n)*the cause"):
        env.reset()


@pytest.mark.parametrize(
    ("fault", "how"), [("exit", "exited with 7"), ("kill", "was killed by signal 9")]
)
def test_a_worker_that_dies_is_named_at_once_and_takes_the_others_with_it(
    broken: Callable, fault: str, how: str
) -> None:
    before = children()
    env = broken(fault, parallel="process", timeout_s=1000)
    text = error_of_row_1(env)
    assert text.startswith("env 1, step 2, last action: action 1: its process " + how)
    assert children() == before
    with pytest.raises(EnvError, match="were closed"):
        env.step(np.array([GOOD, GOOD, GOOD]))
    env.close()


def test_a_worker_killed_from_outside_between_two_steps_is_named(
    broken: Callable,
) -> None:
    before = children()
    env = broken("none", parallel="process")
    env.reset()
    psutil.Process(max(children() - before)).kill()
    with pytest.raises(EnvError, match=r"env [012], step 1, .*killed by signal 9"):
        env.step(np.array([GOOD, GOOD, GOOD]))
    assert children() == before


def test_a_worker_that_hangs_is_ended_after_the_timeout_with_all_others(
    broken: Callable,
) -> None:
    before = children()
    text = error_of_row_1(broken("hang", parallel="process", timeout_s=1))
    assert text.startswith("env 1, step 2, last action: action 1: no answer within 1 s")
    assert children() == before


def test_workers_end_when_their_parent_is_killed_even_while_one_hangs(
    tmp_path: Path,
) -> None:
    program = f"""
        import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        import envs, numpy, psutil
        env = envs.make("broken_envs:Broken", 2, parallel="process", kwargs=dict(fault="hang"))
        env.reset()
        print(*(child.pid for child in psutil.Process().children()), flush=True)
        env.step(numpy.array([0, 1]))
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(envs.__file__).parents[1],
    ) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(workers) == 2
    while any(psutil.pid_exists(pid) for pid in workers):  # the test's own time limit
        time.sleep(0.05)


def test_a_hang_in_this_process_is_reported_on_stderr_with_its_place(
    broken: Callable, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = broken("hang", timeout_s=0.2)
    env.reset()
    import broken_envs

    real_sleep = time.sleep
    monkeypatch.setattr(broken_envs.time, "sleep", lambda _: real_sleep(1))
    env.step(np.array([GOOD, GOOD, BAD]))
    text = capfd.readouterr().err
    assert text.count("no answer for 0.2 s") == 1
    assert "env 2, step 1, last action 1" in text and "parallel='process'" in text
    assert "in _commit" in text


@pytest.mark.parametrize(
    ("fault", "parts"),
    [
        ("nan observation", ["'vector'", "got nan at index [1]", "finite"]),
        ("infinite observation", ["'vector'", "got inf at index [1]", "finite"]),
        ("integer observation", ["got dtype int32", "expected float32 and (2,)"]),
        ("long observation", ["shape (3,)", "expected float32 and (2,)"]),
        ("ragged observation", ["'vector' is not an array"]),
        ("far observation", ["got 1.5 at index [1]", "inside Box(-1.0, 1.0"]),
        ("dict observation", ["got dtype object"]),
        ("nan reward", ["reward: got nan", "one finite number"]),
        ("no reward", ["reward: got None", "one finite number"]),
        ("list reward", ["reward: got [1.0]", "one finite number"]),
        ("text reward", ["reward: got '1'", "one finite number"]),
        ("number flag", ["terminated: got 1; expected True or False"]),
        ("no flag", ["truncated: got None; expected True or False"]),
        ("old api", ["step returned 4 values; this is the old gym API; return obs,"]),
    ],
)
def test_a_broken_return_value_is_named_with_what_came_and_what_was_expected(
    broken: Callable, fault: str, parts: list[str]
) -> None:
    text = error_of_row_1(broken(fault))
    assert text.startswith("env 1, step 2, last action 1: ")
    for part in parts:
        assert part in text


@pytest.mark.parametrize("fault", ["rounded observation", "float64 observation"])
def test_rounding_at_a_bound_and_double_precision_are_no_faults(
    broken: Callable, fault: str
) -> None:
    env = broken(fault)
    env.reset()
    step = env.step(np.array([BAD, BAD, GOOD]))
    assert step.observation["vector"].dtype == np.float32


def test_bounds_can_be_left_unchecked_but_nothing_else(broken: Callable) -> None:
    env = broken("far observation", check_bounds=False)
    env.reset()
    assert env.step(np.array([BAD, GOOD, GOOD])).observation["vector"][0, 1] == 1.5
    assert "finite" in error_of_row_1(broken("nan observation", check_bounds=False))


def test_a_reset_without_info_gets_a_sentence(broken: Callable) -> None:
    with pytest.raises(EnvError, match="reset returned a ndarray; return observation"):
        broken("bare reset").reset()


def test_an_environment_of_another_package_is_refused_with_what_is_accepted(
    broken: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for parallel in ("sync", "process"):
        with pytest.raises(ValueError, match=r"broken_envs.Outdated; expected a gym"):
            envs.make("broken_envs:Outdated", parallel=parallel)


def test_an_environment_that_cannot_travel_to_a_worker_says_what_to_do(
    broken: Callable,
) -> None:
    with pytest.raises(ValueError, match=r"cannot be sent .*'module:Class'.*'sync'"):
        broken(fault=threading.Lock(), parallel="process")


def test_a_local_class_registered_with_gymnasium_works_in_a_worker() -> None:
    import gymnasium

    class Local(gymnasium.Env):
        observation_space = gymnasium.spaces.Discrete(3)
        action_space = gymnasium.spaces.Discrete(2, start=5)

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return 2, {}

        def step(self, action: int) -> Any:
            return 1, float(action), False, False, {}

    gymnasium.register("tests/Local-v0", Local)
    env = envs.make("gym:tests/Local-v0", parallel="process")
    try:
        env.reset()
        step = env.step(np.array([1]))
    finally:
        env.close()
        del gymnasium.registry["tests/Local-v0"]
    assert step.reward[0] == 6
    np.testing.assert_array_equal(step.observation["vector"], [[0, 1, 0]])


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("atari:Pnog", "pong"),
        ("atari:MsPackman", "ms_pacman"),
        ("gym:CartPol-v1", "CartPole-v1"),
        ("gym:CartPole-v9", "CartPole-v1"),
        ("minatar:Breakot-v1", "Breakout-v1"),
        ("minigrid:MiniGrid-Empty-5x6-v0", "MiniGrid-Empty-5x5-v0"),
        ("zoo:Cach-v0", "Catch-v0"),
        ("dm_control:cartpole-swngup", "cartpole-swingup"),
        ("dm_control:cup-catch", "ball_in_cup-catch"),
        ("crafter:Crafer", "'Crafter'"),
        ("popgym:RepeatPreviousEsy-v0", "'RepeatPreviousEasy-v0'"),
        ("dmcontrol:cartpole-swingup", "did you mean 'dm_control'"),
        ("popgm:RepeatPreviousEasy-v0", "did you mean 'popgym'"),
        ("atri:Pong", "atari"),
        ("envs.catch:Cach", "Catch"),
        ("gym:no_such_module:Foo-v0", "no_such_module"),
        ("no.such.module:Foo", "nor a module"),
        ("Pong", "suite:name"),
        ("atari:", "suite:name"),
        ("atari:joust", "no mode for one player"),
    ],
)
def test_an_unknown_name_is_refused_with_the_near_ones(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=near):
        envs.make(name)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("gym:CartPole-v1", {"tme_limit": 3}, "did you mean 'time_limit'.*known"),
        ("atari:Pong", {"time_limit": 3}, "unknown option 'time_limit'.*sticky"),
        ("minatar:Breakout-v1", {"rgb": True}, "unknown option 'rgb'.*action_repeat"),
        ("zoo:Catch-v0", {"colour": 1}, "unknown option 'colour'"),
        ("dm_control:walker-walk", {"pixel": 1}, "did you mean 'pixels'.*camera"),
        ("crafter:Crafter", {"repeats_itself": True}, "unknown option 'repeats_itself"),
        ("popgym:AutoencodeEasy-v0", {"timeout": 1}, "known options: .*kwargs"),
    ],
)
def test_an_unknown_option_is_refused_with_the_known_ones(
    name: str, options: dict, text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        envs.make(name, **options)


@pytest.mark.parametrize(
    "arguments",
    [{"num_envs": 0}, {"parallel": "async"}, {"time_limit": 0}, {"action_repeat": 0}],
)
def test_bad_arguments_of_make_are_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        envs.make("zoo:Catch-v0", **arguments)


class Blocked:
    """An import finder that knows one package not to be installed."""

    def __init__(self, package: str):
        self._package = package

    def find_spec(self, name: str, *_: object) -> None:
        if name.split(".")[0] == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("atari:Pong", "ale_py", "atari"),
        ("gym:ALE/Pong-v5", "ale_py", "atari"),
        ("minatar:Breakout-v1", "minatar", "minatar"),
        ("minigrid:MiniGrid-Empty-5x5-v0", "minigrid", "minigrid"),
        ("zoo:MiniGridMemory13-v0", "minigrid", "minigrid"),
        ("dm_control:cartpole-swingup", "dm_control", "dm-control"),
        ("crafter:Crafter", "crafter", "crafter"),
        ("popgym:RepeatPreviousEasy-v0", "popgym", "popgym"),
    ],
)
def test_a_missing_suite_says_which_extra_to_install(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [key for key in sys.modules if key.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr(sys, "meta_path", [Blocked(module), *sys.meta_path])
    with pytest.raises(ImportError, match=rf"latent-agent-zoo\[{extra}\]"):
        envs.make(name)


def test_importing_envs_loads_no_suite_and_no_tensorflow() -> None:
    heavy = (
        "tensorflow keras ale_py minatar minigrid pygame matplotlib "
        "dm_control mujoco OpenGL crafter popgym"
    )
    program = (
        f"import sys, envs; print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(envs.__file__).parents[1],
    )
    assert done.stdout.strip() == "[]"
