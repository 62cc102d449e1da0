"""Draw a study, or a route: each function returns an Altair chart that renders offline.

Every chart aggregates first and holds at most 2,000 marks, however many orders there are. A chart
shows by itself in a notebook; ``to_svg`` and ``to_png`` render it by vl-convert, without a browser
or a network.
"""

from orderengine.analysis.plots.distributions import latency, shortfall, venues
from orderengine.analysis.plots.over_time import in_flight, price, timeline
from orderengine.analysis.plots.routes import legs, route
from orderengine.analysis.plots.theme import AnyChart, to_png, to_svg

__all__ = [
    "AnyChart",
    "in_flight",
    "latency",
    "legs",
    "price",
    "route",
    "shortfall",
    "timeline",
    "to_png",
    "to_svg",
    "venues",
]
