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
# # What does a stale quote cost?
#
# A quote is true at the instant at which the pool is read.
# Then the transaction is built, signed and sent, and meanwhile others trade.
#
# **Question: what does it cost to wait between the quote and the sending, in a calm market and in
# a wild one?**

# %%
import os

import altair as alt
import polars as pl

import orderengine as oe
from orderengine.analysis import plots
from orderengine.study import measures

alt.renderers.enable("png", scale_factor=1.5)  # drawn here, without a network
ORDERS = int(os.environ.get("ORDERENGINE_NOTEBOOK_ORDERS", "6000"))  # at each point
REPLICATES = 10 if ORDERS > 1_000 else 5

# %% [markdown]
# ## The study
#
# Two of the named [scenarios](../docs/study/scenarios.md), both with four orders a second, so that
# they differ in their market and not in their crowd.
# The wait is a field of the scenario, and `sweep` runs it at each value, several times: with other
# luck each time, but with the same luck at each value.

# %%
WAIT = "market.build_latency.median"
WAITS = ["0ms", "500ms", "1s", "2s"]

scenarios, sweeps = {}, {}
for name in ("calm", "volatile"):
    scenarios[name] = oe.scenario(name).replace(
        orders=ORDERS // REPLICATES,
        arrivals__rate_per_s=4.0,
        engine__quote_deadline="4s",
        market__build_latency={"model": "constant", "median": "0ms"},
    )
    sweeps[name] = oe.sweep(scenarios[name], {WAIT: WAITS}, REPLICATES, measure=measures.attempts)
sweeps["volatile"]

# %% [markdown]
# ## The cost
#
# `shortfall_bps` is what an order loses against the outside price at the instant of its
# acceptance, all fees and failures included, in basis points (hundredths of a percent).

# %%
table = pl.concat([sweep.table for sweep in sweeps.values()], how="diagonal")
plots.metric_over(table, WAIT, "shortfall_bps.mean", color="scenario")

# %% [markdown]
# The intervals of two points overlap, because each holds the luck of its markets.
# All points of a replicate share that luck, so the slope is known much better than the points are.
#
# ## The answer

# %%
slopes = {
    (name, figure): sweep.slope(f"shortfall_bps.{figure}", step="100ms")
    for name, sweep in sweeps.items()
    for figure in ("mean", "p95")
}
print(
    f"A quote that is 100 ms older costs an order {slopes['calm', 'mean']} bps in the mean in a "
    f"calm market and {slopes['volatile', 'mean']} in a volatile one;\n"
    f"at the 95th percentile, that of dear orders, {slopes['calm', 'p95']} and "
    f"{slopes['volatile', 'p95']} bps."
)

# %% [markdown]
# Brackets are 95 % intervals over replicates. A millisecond costs a hundredth of it.
#
# ## Failed attempts
#
# A transaction that lands when the price has left the order's tolerance (50 bps) fails, and pays
# its fee for nothing.

# %%
plots.metric_over(table, WAIT, "revert_rate", color="scenario")

# %%
for name, sweep in sweeps.items():
    rate = sweep.slope("revert_rate", step="1s")
    print(f"{name:<9} share of landed transactions that fail, more for each second: {rate}")

# %% [markdown]
# ## Why: it is the age of the quote, not the time
#
# The same second, once before the pools are read and once after.
# A wait before the quote moves the price as often for the order as against it, and the router
# still takes the pool that is best now. During a wait after it, others take what made that pool
# the best.

# %%
BEFORE = {"market.quote_latency.offset": "1314ms"}  # 314 ms as it is
AFTER = {WAIT: "1s"}
for name, scenario in scenarios.items():
    later = oe.compare(scenario.replace(BEFORE), scenario.replace(AFTER), replicates=REPLICATES)
    print(
        f"{name:<9} a second after the quote costs {later.difference} bps more than one before it"
    )

# %% [markdown]
# ## What this does not show
#
# Orders here know nothing of where the price goes, and pools are kept near it by
# [three arbitrageurs a slot late](../docs/study/flow-and-arbitrage.md): both are assumptions, and
# the first one carries the answer.
# For an order that follows a signal, or a pool that nobody else watches, time costs something else.
# A venue reads its pools at the very end of [its latency](../docs/study/latency.md); one that reads
# them earlier gives a quote that is old already, and the answer counts from there.
#
# ## Change the question
#
# Edit one line and run the cell: another field, its values, another scenario (`busy`,
# `congested`, `attacked`), another figure of
# [all that there are](../docs/study/sweeps.md#figures-of-your-own).

# %%
QUESTION = ("calm", "engine.quote_deadline", ["500ms", "700ms", "1s"], "shortfall_bps.mean")

name, field, values, figure = QUESTION
scenario = oe.scenario(name).replace(orders=ORDERS // REPLICATES, arrivals__rate_per_s=4.0)
answer = oe.sweep(scenario, {field: values}, REPLICATES)
print(answer.summary(figure))
answer.plot(figure)
