"""Draw a study, or a route: each function returns an Altair chart that renders offline.

Every chart aggregates first and holds at most 2,000 marks, however many orders there are. A chart
shows by itself in a notebook; ``to_svg``, ``to_png`` and ``to_pdf`` render it by vl-convert,
without a browser or a network, and ``save`` writes a file for a paper. Charts of figures draw
intervals; ``frontier``, ``metric_over`` and ``paired_difference`` draw sweeps and comparisons.
"""

from orderengine.analysis.plots.distributions import latency, shortfall, venues
from orderengine.analysis.plots.figures import cost_by_size, markout, queueing, revert_rates
from orderengine.analysis.plots.over_time import in_flight, price, timeline
from orderengine.analysis.plots.routes import legs, route
from orderengine.analysis.plots.sweeps import frontier, metric_over, paired_difference, unit_of
from orderengine.analysis.plots.tails import hdr_latency
from orderengine.analysis.plots.theme import AnyChart, save, to_pdf, to_png, to_svg

__all__ = [
    "AnyChart",
    "cost_by_size",
    "frontier",
    "hdr_latency",
    "in_flight",
    "latency",
    "legs",
    "markout",
    "metric_over",
    "paired_difference",
    "price",
    "queueing",
    "revert_rates",
    "route",
    "save",
    "shortfall",
    "timeline",
    "to_pdf",
    "to_png",
    "to_svg",
    "unit_of",
    "venues",
]
