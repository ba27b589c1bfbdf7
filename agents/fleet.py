"""Fleets: processes that a run starts here or on a Ray cluster, calls, waits for, and starts anew when they die."""

import dataclasses
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from agents import process, score
from agents.version import VERSION
from envs.extras import require

Ref = Any  # of a value that a process has made or will make
RESTARTS = 10  # of dead processes, in a row without anything made between them
PATIENCE = 300.0  # seconds until a cluster must have room
_LOOK = 20.0  # seconds after which it is said what is waited for
_ANSWER = 10.0  # seconds in which a cluster must answer


class Died(RuntimeError):
    """The process that was called is not there any more."""


class Lost(RuntimeError):
    """What a call was to be given has gone with the process or the machine that had it."""


class Usage(NamedTuple):
    """What a process has taken so far.

    Attributes:
        cpu: Processor seconds.
        peak: Largest resident memory, bytes.
    """

    cpu: float
    peak: int


class Joined:
    """What every process of a fleet answers, whatever it is there for; to be mixed in."""

    def origin(self) -> Mapping[str, str]:
        """Returns which code it runs; see `origin`."""
        return origin()

    def usage(self) -> Usage:
        """Returns what it has taken."""
        return Usage(time.process_time(), process.peak_bytes())

    def machine(self) -> str:
        """Returns Ray's name of the machine it runs on; of the machine of a `LocalFleet`, nothing."""
        ray = sys.modules.get("ray")
        there = ray is not None and ray.is_initialized()
        return ray.get_runtime_context().get_node_id() if ray and there else ""


def origin() -> dict[str, str]:
    """Returns which code this process runs: zoo, commit, TensorFlow, Python."""
    versions = score.versions()
    return {
        "zoo": VERSION,
        "commit": score.commit(),
        "tensorflow": versions["tensorflow"],
        "python": versions["python"],
    }


def refuse_other_origin(
    here: Mapping[str, str], there: Mapping[str, str], who: str
) -> None:
    """Raises ValueError, with both values, where a process that joins runs other code."""
    differing = [
        f"{key} {there.get(key) or 'unknown'} there, {value or 'unknown'} here"
        for key, value in here.items()
        if there.get(key) != value
    ]
    if differing:
        raise ValueError(
            f"{who} runs other code: {'; '.join(differing)}. Install the same on every machine"
        )


class Fleet(Protocol):
    """Processes by name, each an object of a class that has `Joined` mixed in.

    Attributes:
        calls: How many were made.
    """

    calls: int

    def start(self, who: str, cls: type, *args: Any, gpus: float = 0.0) -> None:
        """Starts a process, in the place of one of that name; `join` waits for it."""

    def join(self, names: Sequence[str]) -> None:
        """Returns when they are there; raises ValueError where one runs other code."""

    def call(self, who: str, method: str, *args: Any, returns: int = 1) -> list[Ref]:
        """Calls a method, of each process one after another; `args` are values or what other calls return."""

    def put(self, value: Any) -> Ref:
        """Returns what stands for a value, which is then sent once to each machine however often it is given."""

    def wait(self, refs: Sequence[Ref]) -> Ref:
        """Returns the first that is made."""

    def get(self, ref: Ref) -> Any:
        """Returns a value when it is made; raises Died, Lost, or what the method raised."""

    def kill(self, who: str) -> None:
        """Ends a process at once."""

    def close(self) -> None:
        """Ends all of them."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Made:
    """A value, or why there is none."""

    value: Any = None
    error: Exception | None = None


class LocalFleet:
    """The same objects in this process, each call made as it is asked for; for tests and for looking at."""

    def __init__(self) -> None:
        self.calls = 0
        self._there: dict[str, Any] = {}

    def start(self, who: str, cls: type, *args: Any, gpus: float = 0.0) -> None:
        """See `Fleet`."""
        del gpus
        self._there[who] = cls(*args)

    def join(self, names: Sequence[str]) -> None:
        """See `Fleet`."""
        for who in names:
            refuse_other_origin(origin(), self._there[who].origin(), who)

    def call(self, who: str, method: str, *args: Any, returns: int = 1) -> list[Ref]:
        """See `Fleet`."""
        self.calls += 1
        try:
            value = self._call(who, method, args)
        except Exception as error:
            return [_Made(error=error)] * returns
        return [_Made(each) for each in value] if returns > 1 else [_Made(value)]

    def _call(self, who: str, method: str, args: Sequence[Any]) -> Any:
        if who not in self._there:
            raise Died(f"{who} is not there")
        values = []
        for each in args:
            if isinstance(each, _Made):
                if each.error is not None:
                    raise Lost(str(each.error))
                each = each.value
            values.append(each)
        return getattr(self._there[who], method)(*values)

    def put(self, value: Any) -> Ref:
        """See `Fleet`."""
        return _Made(value)

    def wait(self, refs: Sequence[Ref]) -> Ref:
        """See `Fleet`."""
        return refs[0]

    def get(self, ref: Ref) -> Any:
        """See `Fleet`."""
        if ref.error is not None:
            raise ref.error
        return ref.value

    def kill(self, who: str) -> None:
        """See `Fleet`."""
        self._there.pop(who, None)

    def close(self) -> None:
        """See `Fleet`."""
        self._there.clear()


class _Process:
    """Holds an object, whose own class Ray would change: it adds an argument to every method, which graphs then have."""

    def __init__(self, cls: type, args: Sequence[Any]) -> None:
        self._object = cls(*args)

    def call(self, method: str, *args: Any) -> Any:
        return getattr(self._object, method)(*args)


class RayFleet:
    """Processes of Ray, each with one processor and one thread.

    Args:
        address: Of a running cluster; empty: processes of this machine.
        cpus: How many processes there will be.
        gpus: GPUs that they will share.
        say: Takes a line of text.

    Raises:
        ConnectionError: If no cluster answers there.
        TimeoutError: If the cluster has no room.
    """

    def __init__(
        self, address: str = "", cpus: int = 1, gpus: float = 0.0, say: Any = print
    ) -> None:
        self.calls, self._say = 0, say
        self._ray = require("ray", "ray", "--actors and --arenas")
        if not self._ray.is_initialized():
            self._connect(address, cpus)
        self._wait_for_room({"CPU": cpus, "GPU": gpus}, PATIENCE if address else 0)
        self._actors: dict[str, Any] = {}

    def _connect(self, address: str, cpus: int) -> None:
        options: dict[str, Any] = {"address": address}
        if not address:
            options = {"address": "local", "num_cpus": max(cpus, os.cpu_count() or 1)}
            options["include_dashboard"] = False
        try:
            if ":" in address:  # Ray would wait minutes for one that is not there
                host, _, port = address.rpartition("://")[2].rpartition(":")
                socket.create_connection((host, int(port)), _ANSWER).close()
            self._ray.init(log_to_driver=False, logging_level="ERROR", **options)
        except (OSError, RuntimeError, ValueError) as error:
            if not address:
                raise
            text = str(error).strip().partition("\n")[0]
            raise ConnectionError(
                f"ray_address={address} came, but no cluster answers there ({text}): start one with `ray start --head`, "
                "or leave --ray_address out for processes of this machine"
            ) from error
        except self._ray.exceptions.AuthenticationError as error:
            raise ConnectionError(
                f"ray_address={address} came, but the cluster there wants a token: set RAY_AUTH_MODE=token and "
                "RAY_AUTH_TOKEN to that which it was started with (docs/cluster.md)"
            ) from error

    def _wait_for_room(self, wanted: Mapping[str, float], patience: float) -> None:
        """Machines of a cluster may join late; raises TimeoutError when patience ends."""
        start, said = time.monotonic(), False
        while True:
            there = self._ray.cluster_resources()
            if all(there.get(kind, 0) >= number for kind, number in wanted.items()):
                return
            text = ", ".join(
                f"{number:g} {kind}s of {there.get(kind, 0):g} that there are"
                for kind, number in wanted.items()
                if number
            )
            if time.monotonic() - start >= patience:
                raise TimeoutError(
                    f"there is no room: wanted are {text}. Add machines, or take fewer --arenas, --actors, members or --gpus_per_member"
                )
            if not said:
                self._say(f"waiting for machines to join: wanted are {text}")
                said = True
            time.sleep(1.0)

    def start(self, who: str, cls: type, *args: Any, gpus: float = 0.0) -> None:
        """See `Fleet`."""
        self.kill(who)
        variables = dict(process.ONE_THREAD)
        if gpus:
            variables["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # others have their share
        remote = self._ray.remote(_Process).options(
            num_cpus=1,
            num_gpus=gpus,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": variables},
        )
        self._actors[who] = remote.remote(cls, args)

    def join(self, names: Sequence[str]) -> None:
        """See `Fleet`."""
        for who in names:
            ref = self._actors[who].call.remote("origin")
            while not self._ray.wait([ref], timeout=_LOOK)[0]:
                self._say(f"waiting for {who} to start")
            refuse_other_origin(origin(), self.get(ref), who)

    def call(self, who: str, method: str, *args: Any, returns: int = 1) -> list[Ref]:
        """See `Fleet`."""
        self.calls += 1
        called = self._actors[who].call.options(num_returns=returns)
        made = called.remote(method, *args)
        return made if returns > 1 else [made]

    def put(self, value: Any) -> Ref:
        """See `Fleet`."""
        return self._ray.put(value)

    def wait(self, refs: Sequence[Ref]) -> Ref:
        """See `Fleet`."""
        return self._ray.wait(list(refs))[0][0]

    def get(self, ref: Ref) -> Any:
        """See `Fleet`."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(ref)
        except errors.RayTaskError as error:
            # Of an error whose own class cannot be sent, `cause` is a RayError too, and has its text.
            gone = (errors.RayActorError, errors.ObjectLostError, errors.RayTaskError)
            if isinstance(error.cause, gone):
                raise Lost(_line(error.cause)) from error
            raise error.cause from None
        except errors.RayActorError as error:
            raise Died(_line(error)) from error
        except errors.ObjectLostError as error:
            raise Lost(_line(error)) from error

    def kill(self, who: str) -> None:
        """See `Fleet`."""
        if who in self._actors:
            self._ray.kill(self._actors[who], no_restart=True)

    def close(self) -> None:
        """See `Fleet`."""
        for who in self._actors:
            self.kill(who)


def _line(error: Exception) -> str:
    """The last line of a text, where Ray puts what was wrong."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
