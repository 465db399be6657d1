"""Curves of a run as a picture: terms of the loss, metrics, learning rate."""

from __future__ import annotations

from pathlib import Path

from mien.errors import MissingExtraError
from mien.training.progress import read_log

CURVES_FILE = "curves.png"
LEFT_OUT = ("step", "images_per_s")


def draw_curves(folder: Path) -> Path:
    """Draw the log of a run into ``curves.png``.

    Returns:
        The picture.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing curves", "plots") from error
    rows = read_log(folder)
    names = list(dict.fromkeys(name for row in rows for name in row if name not in LEFT_OUT))
    losses = [name for name in names if "/" in name]
    shares = [name for name in names if name.endswith(("_accuracy", "_f1"))]
    others = [name for name in names if name not in losses + shares]
    panels = [("loss", losses)] * bool(losses) + [("share of faces", shares)] * bool(shares)
    panels += [(name.replace("_", " "), [name]) for name in others]
    columns = min(3, max(1, len(panels)))
    lines = -(-max(1, len(panels)) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.1 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis, (title, shown) in zip(axes, panels, strict=False):
        for name in shown:
            points = [(row["step"], row[name]) for row in rows if name in row]
            axis.plot(
                *zip(*points, strict=True), marker="." if len(points) < 30 else "", label=name
            )
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        if len(shown) > 1:
            axis.legend(fontsize=8)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.suptitle(f"{folder.name}: validation and training", fontsize=11)
    path = folder / CURVES_FILE
    figure.savefig(path, dpi=110)
    return path
