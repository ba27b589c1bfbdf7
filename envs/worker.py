"""The program of a worker process: one guarded environment behind a pipe."""

import contextlib
import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from envs.errors import EnvError, MissingError, describe_exception
from envs.guard import GuardedEnv


def main(descriptor: int) -> None:
    """Serves one environment over the pipe until the parent closes it.

    The first message is the pickled factory and the row; then come (method, *arguments). Each is
    answered by ('ok', value), ('error', text) for an EnvError, ('refused', text) for a ValueError or
    ('missing', text) for a MissingError; 'close' ends the worker.
    Interrupts are the parent's business: they are ignored here, and the pipe's end ends the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()
    connection = Connection(descriptor)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(connection)
    os._exit(0)  # a hanging `close` of the environment must not keep the process


def _serve(connection: Connection) -> None:
    env: Any = None
    reply: tuple[str, Any]
    while True:
        method, *arguments = connection.recv()
        try:
            if method == "close":
                if env is not None:
                    env.close()
                return
            if method == "make":
                env = _make(*arguments)
                value = env.spaces, env.native
            else:
                value = getattr(env, method)(*arguments)
            reply = ("ok", value)
        except EnvError as error:
            reply = ("error", str(error))
        except ValueError as error:
            reply = ("refused", str(error))
        except MissingError as error:
            reply = ("missing", str(error))
        connection.send(reply)


def _make(factory: bytes, index: int) -> GuardedEnv:
    try:
        make = cloudpickle.loads(factory)
    except Exception:
        text = f"env {index}: the worker cannot import it{describe_exception()}"
        raise EnvError(text) from None
    return make(index)


def _follow_parent(parent: int) -> None:
    """Ends the process when the parent is gone, even while the environment hangs."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
