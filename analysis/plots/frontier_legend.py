"""The legend of the frontier chart: lines and points, then families by shape, then resolutions or widths by colour."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis import style
from analysis.plots.frontier_info import FrontierInfo
from analysis.plots.sheet import family_handles, legend_dot, shade_handles
from analysis.plots.texts import one_line


def draw_legend(canvas: FigureCanvasAgg, chart: FrontierInfo, *, left: float, top: float) -> None:
    """Draw the legend from the corner (left, top) down; both are shares of the figure."""
    groups = {
        "": _kinds(chart),
        "Network": family_handles(chart.models),
        chart.shade_title: shade_handles(chart.shades),
        "Parameters (millions)": _areas(chart),
    }
    for title, handles in groups.items():
        if handles:
            legend = canvas.figure.legend(
                handles=handles,
                title=title or None,
                loc="upper left",
                bbox_to_anchor=(left, top),
                alignment="left",
                fontsize=style.LEGEND,
                title_fontproperties={"size": style.LEGEND, "weight": "bold"},
                frameon=False,
                labelcolor=style.INK,
                handlelength=1.8,
            )
            for text in legend.get_texts():
                text.set_parse_math(False)  # a dataset may have a dollar sign in its name
            top = legend.get_window_extent(canvas.get_renderer()).y0 / canvas.figure.bbox.height


def _areas(chart: FrontierInfo) -> list[Line2D]:
    """The smallest and the largest network."""
    if chart.num_params is None:
        return []
    ends = (chart.num_params.argmin(), chart.num_params.argmax())
    return [legend_dot(f"{chart.num_params[i]:.3g}", "o", style.MUTED, size=chart.sizes[i]) for i in ends]


def _kinds(chart: FrontierInfo) -> list[Line2D | Patch]:
    """The lines with the points on them, then the points off them."""
    shape = style.marker(chart.models[0], chart.models) if chart.models else ""
    off = style.SMALL if chart.num_params is None else style.LARGE  # its edge tells it where sizes tell parameters
    handles: list[Line2D | Patch] = [
        Line2D(
            [],
            [],
            color=style.INK,
            linewidth=1.4,
            linestyle=style.linestyle(i),
            marker=shape,
            markersize=style.LARGE,
            markerfacecolor=style.MUTED,
            label=one_line(series.label, 20),
        )
        for i, series in enumerate(chart.points)
        if series.on_frontier.any()
    ]
    if len(chart.points) == 1 and handles:
        handles[0].set_label("frontier")
    if chart.published is not None:
        label = f"published: {chart.published.label}"
        line = Line2D([], [], marker=style.PUBLISHED_MARKER, markersize=5, label=label)
        line.set(**style.PUBLISHED_LINE)
        handles.append(line)
    if chart.source_range is not None:
        handles.append(Patch(label=f"range of {chart.source_range.num_sources} sources", **style.SOURCE_RANGE))
    if chart.weight_sharing is not None:
        handles.append(Line2D([], [], label=chart.weight_sharing.label, **style.WEIGHT_SHARING))
    if (~chart.on_frontier & ~chart.pruned).any():
        handles.append(legend_dot("not on the frontier", shape, style.MUTED, size=off))
    if chart.pruned.any():
        label = f"stopped early ({chart.pruned.sum()})"
        handles.append(legend_dot(label, shape, "none", edge=style.MUTED, size=style.SMALLEST))
    if len(chart.runs):
        handles.append(legend_dot("± deviation of seeds", "|", style.MUTED, edge=style.MUTED, size=9.0))
        handles.append(Line2D([], [], label="one seed", **style.RUN))
    return handles
