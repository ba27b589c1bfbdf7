import subprocess
import sys

import pytest

import estimators


def test_importing_the_package_loads_no_tensorflow():
    code = "import sys, estimators; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_every_listed_name_is_a_documented_function():
    for name in estimators.__all__:
        assert getattr(estimators, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        estimators.nothing  # noqa: B018
