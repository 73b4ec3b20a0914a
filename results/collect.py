"""Keep what runs measured, without their weights: python results/collect.py NAME RUNS… fills results/NAME.

What is kept of a run (result.json, manifest.json, config.yaml, the epoch lines of metrics.jsonl, and whatever it was
put through) is enough for `sparring report results/NAME` to draw the same table, curves and verdict again.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from sparring.report import markdown, page, runs

HERE = Path(__file__).parent
WHOLE = ["result.json", "manifest.json", "config.yaml", "disagreement.json", "corruptions.json", "gradients.json"]
WHOLE += ["bias.json", "attacks.json", "autoattack.json", "robust.json"]


def collect(name: str, sources: list[Path]) -> None:
    """Copy the finished runs below `sources` into results/NAME, and write its table and page."""
    place = HERE / name
    shutil.rmtree(place, ignore_errors=True)
    for source in sources:
        for run in runs([source]):
            if not run.finished:
                print(f"left out: {run.path} ({run.problem})")
                continue
            inner = run.path.relative_to(source)
            to = place / source.name / inner
            to.mkdir(parents=True)
            for file in WHOLE:
                if (run.path / file).exists():
                    shutil.copy(run.path / file, to / file)
            for images in run.path.glob("autoattack-*.npz"):  # which image fell to what
                shutil.copy(images, to / images.name)
            lines = (run.path / "metrics.jsonl").read_text().splitlines()
            epochs = [line for line in lines if json.loads(line)["kind"] == "epoch"]
            (to / "metrics.jsonl").write_text("\n".join(epochs) + "\n")
        for plan in source.glob("*.recipe.json"):  # from which ours are set beside the published
            shutil.copy(plan, place / source.name / plan.name)
    folders = [place / source.name for source in sources]
    (place / "README.md").write_text(f"# {name}\n\n{markdown(folders)}")
    page(folders, place / "report.html")


if __name__ == "__main__":
    collect(sys.argv[1], [Path(arg) for arg in sys.argv[2:]])
