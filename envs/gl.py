"""OpenGL for MuJoCo's pictures: which library draws them, chosen before MuJoCo is imported."""

import contextlib
import ctypes
import ctypes.util
import functools
import os
import sys
from collections.abc import Iterator

from absl import logging

VARIABLE = "MUJOCO_GL"
OFF = ("disable", "disabled", "false", "off", "0")
MAX_DEVICES = 10
EGL_PLATFORM_DEVICE = 0x313F


@contextlib.contextmanager
def chosen(draws: bool) -> Iterator[None]:
    """Has MuJoCo imported with a backend that works: the user's own, else egl, else osmesa, else none.

    MuJoCo and dm_control read MUJOCO_GL once, on import. With nothing set they try windows, which fail
    without a display, and a library that is missing ends the import, even for who wants no picture.
    Other systems than Linux keep dm_control's own choice.

    Args:
        draws: False hides OpenGL from this import, and leaves MUJOCO_GL to later processes as it was.
    """
    before = os.environ.get(VARIABLE)
    if not draws:
        os.environ[VARIABLE] = "disable"
    elif not before and sys.platform == "linux":
        os.environ[VARIABLE] = find_backend() or "disable"
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)  # they announce their choice
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if not draws:
            os.environ.pop(VARIABLE)
            os.environ |= {} if before is None else {VARIABLE: before}


def find_backend() -> str:
    """Returns 'egl', 'osmesa' or '': the first that works here without a display."""
    if egl_works():
        return "egl"
    return "osmesa" if ctypes.util.find_library("OSMesa") else ""


def egl_works() -> bool:
    """Returns whether EGL is installed and draws on some device, without a display."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    find = ctypes.CFUNCTYPE(pointer, ctypes.c_char_p)(("eglGetProcAddress", egl))
    query, get = find(b"eglQueryDevicesEXT"), find(b"eglGetPlatformDisplayEXT")
    start = ctypes.CFUNCTYPE(integer, *[pointer] * 3)(("eglInitialize", egl))
    if not (query and get):
        return False
    devices, count = (pointer * MAX_DEVICES)(), integer(0)
    list_devices = ctypes.CFUNCTYPE(integer, integer, pointer, pointer)(query)
    list_devices(MAX_DEVICES, devices, ctypes.byref(count))
    display = ctypes.CFUNCTYPE(pointer, integer, pointer, pointer)(get)
    displays = [display(EGL_PLATFORM_DEVICE, d, None) for d in devices[: count.value]]
    return any(each and start(each, None, None) for each in displays)


@functools.cache
def fault() -> str:
    """Returns why dm_control can draw no picture in this process, and what to do; '' where it can."""
    from dm_control import mujoco

    try:
        physics = mujoco.Physics.from_xml_string("<mujoco/>")
        physics.render(8, 8)
        physics.free()
        return ""
    except Exception as error:
        return f"dm_control cannot draw pictures: {advice(error)}, or train from state: pixels=false"


def advice(error: Exception) -> str:
    """Returns what is wrong with OpenGL, and what to do, from an error of MuJoCo or dm_control."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen in OFF and find_backend():
        return f"MUJOCO_GL={chosen} turns them off; unset it"
    if chosen in OFF:
        return (
            "OpenGL is missing, neither EGL nor OSMesa works here; install one of them "
            "(Debian, Ubuntu: sudo apt install libegl1, or libosmesa6) and leave MUJOCO_GL unset"
        )
    text = str(error).strip().split("\n")[0].rstrip(".")
    return (
        f"OpenGL through MUJOCO_GL={chosen} fails ({type(error).__name__}: {text}); unset MUJOCO_GL and "
        "PYOPENGL_PLATFORM, or install its library (Debian, Ubuntu: libegl1 for egl, libosmesa6 for osmesa)"
    )
