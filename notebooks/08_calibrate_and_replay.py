# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Calibrating to files, and replaying a price
#
# A scenario is full of figures: how long quotes take, how long a transaction needs, what others
# pay, how the price moves. Some are assumed. Whoever has recordings can fit them.
#
# **Question: do the recorded files change the answer?**
#
# The answer that we test with: what does it cost to wait 450 ms for quotes instead of 1.5 s?

# %%
import os
import tempfile

import altair as alt

import orderengine as oe
from orderengine.analysis import plots
from orderengine.study.stand_in import recordings

alt.renderers.enable("png", scale_factor=1.5)  # drawn here, without a network
ORDERS = int(os.environ.get("ORDERENGINE_NOTEBOOK_ORDERS", "1000"))
REPLICATES = ORDERS // 125

# %% [markdown]
# ## The files
#
# `ORDERENGINE_DATA` names a folder with `latency/` and `prices/` in it. Recordings of others may
# seldom be passed on, so without it the package writes a synthetic stand-in with the same columns,
# and says so:

# %%
files = recordings(os.environ.get("ORDERENGINE_DATA"), tempfile.mkdtemp())
print(files)

# %% [markdown]
# ## The fits
#
# How long quotes take, in ms. The star marks the likeliest model; what speaks against it stands
# below, and the last line is ready for a scenario file.

# %%
quotes = oe.calibrate(files.quotes, "took_ms")
print(quotes)

# %%
quotes.plot()

# %% [markdown]
# The same for the time from sending to confirmation, the length of a slot, and the prices that a
# block's transactions paid for their place.

# %%
fits = [
    quotes,
    oe.calibrate(files.transfers, "time_difference_ms", field="market.landing.delay"),
    oe.calibrate(files.slots, "mean_slot_ms", kind="slot_time"),
    oe.calibrate(files.bids, "cu_price_micro_lamports", kind="fee", where={"is_vote": "0"}),
]
for fit in fits[1:]:
    print(fit.to_toml(), *(f"  # {warning}" for warning in fit.warnings), "", sep="\n")

# %% [markdown]
# ## Three worlds
#
# `assumed` is the default scenario, calmer and with larger orders. `fitted` takes the files'
# figures. The time that was recorded ends with the confirmation, so it takes the place of both
# landing and confirming: in the fitted world transactions land later than they did.
# `replayed` is the fitted world with the recorded price in place of a drawn one.

# %%
assumed = oe.scenario("default").replace(
    orders=ORDERS, arrivals__rate_per_s=5.0, order__size_median="100SOL"
)
fitted = assumed.replace({name: value for fit in fits for name, value in fit.settings.items()})
fitted = fitted.replace(market__landing__confirm={"model": "constant", "median": "0ms"})
replayed = fitted.replace(market__price__model="trace", market__price__file=files.prices)

# %% [markdown]
# ## The answer

# %%
hasty = {"engine.quote_deadline": "450ms"}
worlds = {"assumed": assumed, "fitted": fitted, "replayed": replayed}
costs = {
    name: oe.compare(world, world.replace(hasty), replicates=REPLICATES, progress=False).difference
    for name, world in worlds.items()
}
print(files)
print(
    f"To wait 450 ms for quotes instead of 1.5 s costs {costs['assumed']} bps in the assumed "
    f"world, {costs['fitted']} with latencies, fees and slots fitted to the files, and "
    f"{costs['replayed']} on their price as well."
)

# %%
plots.paired_difference(costs)

# %% [markdown]
# All three say that haste is dear; that does not hang on the files. How dear it is hangs on the
# shape of the quotes' latency: where every answer takes a third of a second first, fewer venues
# have answered by then than a plain lognormal of the same median and tail has it.
#
# ## Drawn or replayed?
#
# The same orders and latencies, once on a drawn price and once on the trace:

# %%
levels = oe.compare(fitted, replayed, replicates=REPLICATES, progress=False)
print(files)
print(
    f"The mean cost is {levels.mean_a} bps on the drawn price and {levels.mean_b} on the trace: "
    f"a difference of {levels.difference} bps."
)

# %% [markdown]
# ## What this does not show
#
# One file is one day on one path: what was not recorded, such as quotes that never came and
# transactions that were lost, is in no fit ([calibration](../docs/study/calibration.md)).
# The trace is one history, the same under every seed, so the interval of `replayed` is over other
# orders and not over other prices. Between its samples the price moves on a straight line, so
# within a minute it is calmer than it was ([prices](../docs/study/prices.md)).
# And with the stand-in, the fits find what was put in.
#
# ## Change the question
#
# One line: another choice to test in all three worlds, such as `{"order.slippage_bps": 10}`,
# `{"engine.router": "split"}`, or `{"engine.quote_deadline": "700ms"}`.

# %%
change = {"order.slippage_bps": 10}  # edit this line
for name, world in worlds.items():
    found = oe.compare(world, world.replace(change), replicates=REPLICATES, progress=False)
    print(f"{name:<9} {found.difference} bps")
