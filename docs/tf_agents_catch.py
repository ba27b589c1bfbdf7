"""Makes scores/dreamerv2/catch-tf-agents: python docs/tf_agents_catch.py [SEED …]

Runs examples/tf_agents_pipeline.py, three seeds unless told otherwise, about four minutes each. The settings, the environment
and the random level are those of scores/dreamerv2/catch, which our own driver made.
"""

import pathlib
import re
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from agents import score
from launch import card

HERE = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = "examples/tf_agents_pipeline.py"
NAME = "catch-tf-agents"
_LINE = re.compile(r"^ *([\d,]+) steps .* return (-?[\d.]+)$", re.M)
_END = re.compile(r"^greedy, 100 episodes: (-?[\d.]+) ± ([\d.]+)$", re.M)


def main() -> None:
    """Runs the seeds and writes the result beside that of our own driver."""
    ours = score.read(HERE / "scores" / "dreamerv2" / "catch")
    seeds = [play(int(seed)) for seed in sys.argv[1:] or ["0", "1", "2"]]
    finals = [seed["final"] for seed in seeds]
    content = ours | score.origin()
    content |= {
        "name": NAME,
        "command": f"python {EXAMPLE} --env_steps={ours['env_steps']}",
        "score_command": "python docs/tf_agents_catch.py",
        "seeds": seeds,
        "mean": round(float(np.mean(finals)), 4),
        "interval": score.interval(finals),
        "met": float(np.mean(finals)) >= ours["bar"],
        "wall_hours": round(sum(seed["hours"] for seed in seeds), 3),
        "cpu_hours": round(sum(seed["cpu_hours"] for seed in seeds), 3),
        "notes": "Collected, stored and driven by TF-Agents; the agent is trained by `TFAgent.train`, and evaluated by "
        f"TF-Agents' driver as well. Our own driver has {ours['mean']:.2f} on the same settings.",
        "evaluation": {"episodes": 100, "mode": "greedy", "seed": None},
        "policy": None,
    }
    folder = HERE / "scores" / "dreamerv2" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    score.write(folder / "score.json", content)
    card.write(folder, content)
    print(card.headline(content))


def play(seed: int) -> dict[str, Any]:
    """Runs one seed; returns its entry in score.json."""
    start, before = time.monotonic(), _cpu()
    command = [sys.executable, EXAMPLE, f"--seed={seed}"]
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True)
    end = _END.search(done.stdout)
    if done.returncode or end is None:
        raise SystemExit(f"seed {seed} failed: {done.stdout[-500:]}")
    points = [
        [int(steps.replace(",", "")), float(value)]
        for steps, value in _LINE.findall(done.stdout)
    ]
    print(f"seed {seed}: {end[1]}")
    return {
        "seed": seed,
        "env_steps": points[-1][0],
        "hours": round((time.monotonic() - start) / 3600, 3),
        "cpu_hours": round((_cpu() - before) / 3600, 3),
        "curve": points,
        "final": float(end[1]),
        "standard_error": float(end[2]),
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
