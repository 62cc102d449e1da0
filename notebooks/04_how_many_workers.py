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
# # How many workers does a load need?
#
# A worker holds an order from its claim to its end: it asks for quotes, sends, waits until the
# transaction has landed, and tries again if it did not. That takes seconds, whatever we do.
# What workers decide is how long an order waits before anybody takes it.
#
# **Question: how many workers does it take for 99 of 100 orders to wait less than 2 s, and does
# queueing theory know the number?**

# %%
import os

import altair as alt
import polars as pl

import orderengine as oe
from orderengine.analysis import plots
from orderengine.analysis.queueing import Mmc, workers_needed
from orderengine.study import measures

alt.renderers.enable("png", scale_factor=1.5)  # drawn here, without a network
ORDERS = int(os.environ.get("ORDERENGINE_NOTEBOOK_ORDERS", "1000"))  # in each run
REPLICATES = 8 if ORDERS > 500 else 3
RATE, LIMIT_MS = 5.0, 2_000

# %% [markdown]
# ## A steady stream
#
# Five orders a second in the default scenario, once independent of one another (Poisson) and once
# in clusters (Hawkes: each order makes others more likely), at the same mean rate.
# First come, first served, as theory has it.
# The first quarter of each run is left out, for it met an empty engine.

# %%
steady = oe.scenario("default").replace(
    orders=ORDERS, arrivals__rate_per_s=RATE, engine__discipline="fifo"
)
TRIED = {"poisson": [25, 26, 28, 30, 34], "hawkes": [28, 34, 40, 50]}
points = [
    {"arrivals.model": model, "engine.workers": workers}
    for model, many in TRIED.items()
    for workers in many
]
stream = oe.sweep(steady, points, REPLICATES, measure=measures.waits)
waits = stream.summary("wait_p99")
waits

# %% [markdown]
# ## What theory says
#
# Erlang C is for Poisson arrivals and exponential times of service. It needs two figures only, the
# rate and the mean time of service, and we hand it the measured one.

# %%
service_s = stream.table["service_mean"].mean() / 1e3
by_theory = workers_needed(RATE, service_s, LIMIT_MS / 1e3, q=0.99)
print(f"{RATE:g} orders a second, {service_s:.2f} s each: {RATE * service_s:.1f} busy workers")

# %%
curve = pl.DataFrame(
    [
        {
            "series": "Erlang C",
            "x": c,
            "theory": 1e3 * Mmc(RATE, service_s, c).wait_quantile_s(0.99),
        }
        for c in range(25, 51)
    ]
)
measured = waits.rename({"arrivals.model": "series", "engine.workers": "x", "mean": "value"})
measured = measured.with_columns(confidence=pl.lit(0.95))
plots.queueing(
    pl.concat([curve, measured], how="diagonal"), x_title="workers", y_title="99th percentile"
)

# %% [markdown]
# ## The answer for a stream
#
# The least number tried whose whole interval lies below the limit.

# %%
enough = {
    model: waits.filter(pl.col("arrivals.model") == model, pl.col("high") < LIMIT_MS).row(
        0, named=True
    )
    for model in TRIED
}
said = {
    model: f"{row['engine.workers']} workers ({row['mean']:,.0f} ms [{max(row['low'], 0):,.0f}, "
    f"{row['high']:,.0f}])"
    for model, row in enough.items()
}
print(
    f"For {RATE:g} orders a second, {said['poisson']} keep the 99th percentile of waits below 2 s "
    f"if orders come independently, and {said['hawkes']} if they come in clusters;\n"
    f"Erlang C asks for {by_theory} in both cases."
)

# %% [markdown]
# The points of independent orders lie below the curve: a time of service here is much more even
# than an exponential one, and even work waits less. So there theory is on the safe side.
# Clusters still wait where theory says that nobody does any more. It knows their mean rate only,
# and a cluster is over before the mean has helped anybody.
# So take theory for the load, and a study for the crowd.
#
# ## All at once
#
# No theory of the long run speaks of orders that arrive in the same instant. There is a simple
# bound instead: if no order ends within 2 s, no worker is free for a second one in time, so all but
# one in a hundred need a worker of their own.

# %%
burst = oe.scenario("default").replace(
    orders=ORDERS, arrivals__model="burst", engine__discipline="fifo"
)
shares = [ORDERS * percent // 100 for percent in (50, 90, 98, 99, 100)]
crowd = oe.sweep(burst, {"engine.workers": shares}, REPLICATES)
in_queue = crowd.summary("latency_ms.queue.p99")
in_queue

# %%
row = in_queue.filter(pl.col("high") < LIMIT_MS).row(0, named=True)
print(
    f"For {ORDERS:,} orders at once it takes {row['engine.workers']:,} workers "
    f"({row['mean']:,.0f} ms [{max(row['low'], 0):,.0f}, {row['high']:,.0f}])."
)

# %% [markdown]
# Waiting costs a worker nothing but memory: it is a coroutine, so one an order is no extravagance,
# and the default of 8,192 is more than any load here can use.
#
# ## What this does not show
#
# In virtual time [computing takes no time](../docs/study/validity.md), so a worker is a place and
# not a processor: how many orders a machine can carry is what the service's benchmark is for.
# The time of service is the chain's, [fitted to 188 transfers](../docs/study/default-scenario.md);
# on a congested day it is longer, and the number of workers grows with it.
# Near saturation a run of minutes is short, and all runs begin empty: read the steep part of the
# figure as a lower bound.
#
# ## Change the question
#
# Edit one line and run the cell: a field ([all of the engine's](../docs/study/engine.md)), its
# values, a figure, and how many workers there are.

# %%
QUESTION = ("engine.discipline", ["fifo", "lanes", "lifo"], "wait_p99", 26)

field, values, figure, workers = QUESTION
scenario = steady.replace(engine__workers=workers)
answer = oe.sweep(scenario, {field: values}, REPLICATES, measure=measures.waits)
print(answer.summary(figure))
answer.plot(figure)
