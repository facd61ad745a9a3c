"""The learning rate of a training against its epochs."""

from collections.abc import Sequence

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis import style


def draw(epochs: Sequence[float], rates: Sequence[float], *, title: str, log: bool) -> Figure:
    """The rate at each epoch as a line, on a linear axis from 0 or a logarithmic one."""
    with matplotlib.rc_context(dict(style.RC)):  # pyright: ignore[reportArgumentType]
        canvas = FigureCanvasAgg(Figure(figsize=(6.4, 3.6), dpi=100, facecolor="white", layout="constrained"))
        axes = canvas.figure.add_subplot()
        axes.plot(epochs, rates, color=style.SINGLE, linewidth=1.4)
        axes.set(yscale="log") if log else axes.set(ylim=(0, None))
        axes.set_xlim(epochs[0], epochs[-1])
        axes.set_title(f"{title}: learning rate", fontsize=style.TITLE, color=style.INK, loc="left")
        axes.set_xlabel("Epoch", fontsize=style.AXIS, color=style.INK)
        axes.set_ylabel("Learning rate", fontsize=style.AXIS, color=style.INK)
        axes.tick_params(labelsize=style.TICK, colors=style.MUTED, length=3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=style.GRID, linewidth=0.7)
    return canvas.figure
