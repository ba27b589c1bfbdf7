"""Makes docs/notebooks/*.ipynb from the percent scripts beside them: `make notebooks`.

The scripts are the source. A notebook is its script, executed, with small pictures for those who only read.
"""

import base64
import io
import os
import pathlib
import sys
import tempfile
import time

import jupytext
import nbclient
import nbformat
from PIL import Image
from traitlets.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
ENVIRONMENT = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def read(source: str) -> nbformat.NotebookNode:
    """Returns the notebook of a percent script's text; the same text gives the same notebook."""
    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.from_dict({})
    return notebook


def execute(notebook: nbformat.NotebookNode) -> None:
    """Runs all cells in a process of their own; CellExecutionError where one fails."""
    with tempfile.TemporaryDirectory() as folder:
        # Files instead of open ports, and nothing in the user's home.
        manager = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
        nbclient.NotebookClient(
            notebook,
            timeout=1_800,
            kernel_name=KERNEL["name"],
            record_timing=False,
            config=Config({"KernelManager": manager}),
            resources={"metadata": {"path": str(ROOT)}},
        ).execute(env=os.environ | ENVIRONMENT | {"IPYTHONDIR": folder})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if not _is_stderr(each)]
            for each in cell.outputs:
                if picture := each.get("data", {}).get("image/png"):
                    each.data["image/png"] = smaller(picture)


def smaller(picture: str) -> str:
    """Returns a PNG in base64 with 128 colours, which plots hardly need, at a third of the size."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(128).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode() + "\n"


def _is_stderr(output: nbformat.NotebookNode) -> bool:
    return output.output_type == "stream" and output.name == "stderr"


def main() -> None:
    """Writes the notebooks."""
    names = set(sys.argv[1:])
    for script in SCRIPTS:
        if names and script.stem not in names:
            continue
        start = time.time()
        print(f"Running {script.relative_to(ROOT)}: up to three minutes", flush=True)
        notebook = read(script.read_text())
        execute(notebook)
        target = script.with_suffix(".ipynb")
        nbformat.write(notebook, target)
        size = target.stat().st_size // 1000
        print(f"  {target.name}, {size} kB, in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
