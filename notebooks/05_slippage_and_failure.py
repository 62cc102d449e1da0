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
# # How much slippage tolerance is right?
#
# An order says how much worse than its quote it may execute.
# Too little, and its transaction lands, fails and is tried again at another price. Too much, and
# whoever sees it on its way may take the difference.
#
# **Question: which tolerance loses neither fills nor money, in a wild market and in one with a
# sandwich attacker?**

# %%
import os

import altair as alt
import polars as pl

import orderengine as oe
from orderengine.analysis import plots
from orderengine.study import measures

alt.renderers.enable("png", scale_factor=1.5)  # drawn here, without a network
ORDERS = int(os.environ.get("ORDERENGINE_NOTEBOOK_ORDERS", "4000"))  # at each point
REPLICATES = 8 if ORDERS > 1_000 else 4

# %% [markdown]
# ## The study
#
# Five fixed tolerances, and the policy `volatility`, which allows what the price has lately moved
# in the time that it takes to land.
# `volatile` is run at four orders a second, so that its orders meet its market and not each other.
# `attacked` has orders of 100 SOL, for nobody attacks small ones.

# %%
TOLERANCES = [5, 10, 20, 50, 200]  # basis points: hundredths of a percent
points = [{"engine.slippage": "fixed", "order.slippage_bps": bps} for bps in TOLERANCES]
points.append({"engine.slippage": "volatility", "order.slippage_bps": 50})

sweeps = {}
for name, rate in (("volatile", 4.0), ("attacked", 5.0)):
    scenario = oe.scenario(name).replace(orders=ORDERS // REPLICATES, arrivals__rate_per_s=rate)
    sweeps[name] = oe.sweep(scenario, points, REPLICATES, measure=measures.attempts)
table = pl.concat([sweep.table for sweep in sweeps.values()], how="diagonal")
fixed = table.filter(pl.col("engine.slippage") == "fixed")

# %% [markdown]
# ## What fails
#
# The share of landed transactions that missed their limit.

# %%
plots.metric_over(fixed, "order.slippage_bps", "revert_rate", color="scenario")

# %% [markdown]
# ## What it costs
#
# The implementation shortfall, all failures and fees included. An order that was never filled is
# traded after all, at the price at its end and as dearly as the others were: else a rule that
# gives up would look cheap.

# %%
plots.metric_over(fixed, "order.slippage_bps", "completed_bps", color="scenario")

# %% [markdown]
# ## The answer
#
# The least tolerance that surely loses fewer than one fill in a hundred, against the widest one.

# %%
WIDEST = {"engine.slippage": "fixed", "order.slippage_bps": TOLERANCES[-1]}
for name, sweep in sweeps.items():
    fills = sweep.differences("fill_rate", WIDEST).filter(pl.col("low") > -0.01)
    right = fills.row(0, named=True)["order.slippage_bps"]
    chosen = pl.col("order.slippage_bps") == right, pl.col("engine.slippage") == "fixed"
    cost = sweep.differences("completed_bps", WIDEST).filter(*chosen).row(0, named=True)
    missed = sweep.summary("revert_rate").filter(*chosen).row(0, named=True)
    print(
        f"{name}: {right} bps is enough; against {TOLERANCES[-1]} bps it costs "
        f"{cost['difference']:+.1f} bps [{cost['low']:+.1f}, {cost['high']:+.1f}] an order, while "
        f"{missed['mean']:.1%} [{max(missed['low'], 0):.1%}, {missed['high']:.1%}] of landed "
        f"transactions fail."
    )

# %% [markdown]
# ## What a tight tolerance costs

# %%
TIGHTEST = pl.col("order.slippage_bps") == TOLERANCES[0]
for name, sweep in sweeps.items():
    fills = sweep.differences("fill_rate", WIDEST).filter(TIGHTEST).row(0, named=True)
    half = sweep.differences("latency_ms.total.p50", WIDEST).filter(TIGHTEST).row(0, named=True)
    print(
        f"{name}: {TOLERANCES[0]} bps against {TOLERANCES[-1]}: fills {fills['difference']:+.1%} "
        f"[{fills['low']:+.1%}, {fills['high']:+.1%}], median time {half['difference']:+,.0f} ms "
        f"[{half['low']:+,.0f}, {half['high']:+,.0f}]"
    )

# %% [markdown]
# In a wild market without an attacker the tolerance hardly moves the mean cost: the price goes on
# as often for a failed order as against it, so what a limit saves on the orders that it lets
# through, the retries pay again. What a tight one costs is time, and at last the fill.
# Under attack every basis point of tolerance is one that somebody may take.
#
# ## Does a policy do better?
#
# `volatility` against a fixed 50 bps, a common wallet setting.

# %%
COMMON = {"engine.slippage": "fixed", "order.slippage_bps": 50}
policy = pl.col("engine.slippage") == "volatility"
for name, sweep in sweeps.items():
    cost = sweep.differences("completed_bps", COMMON).filter(policy).row(0, named=True)
    fills = sweep.differences("fill_rate", COMMON).filter(policy).row(0, named=True)
    print(
        f"{name}: cost {cost['difference']:+.2f} bps [{cost['low']:+.2f}, {cost['high']:+.2f}], "
        f"fills {fills['difference']:+.2%} [{fills['low']:+.2%}, {fills['high']:+.2%}]"
    )

# %% [markdown]
# It knows nothing of the attacker. It gains where the market is quieter than 50 bps suppose, and
# leaves the attacker that much less.
#
# ## What this does not show
#
# That a failed order is worth no more than a filled one is the assumption behind the flat cost:
# orders here [do not know where the price goes](../docs/study/flow-and-arbitrage.md). Whoever
# trades on news pays for every failure.
# The attacker sees eight of ten orders, has no competitor and takes
# [what the tolerance leaves](../docs/study/sandwich.md): the first figure has no source, and the
# cost under attack is in proportion to it.
#
# ## Change the question
#
# Edit the function, or the line with the question: a scenario, what is allowed, a figure.
# [Any function](../docs/study/functions.md) of an order and its route is a policy; it returns the
# most that may be paid and the least that must come.


# %%
def a_fifth(order, route):
    """Allow a fifth of the order's tolerance, and never less than one part in 10,000."""
    parts = 10_000 - max(1, order.slippage_bps // 5)
    if order.mode == "exact_in":
        return route.amount_in, max(1, route.amount_out * parts // 10_000)
    return route.amount_in * 10_000 // parts, route.amount_out


QUESTION = ("attacked", ["fixed", "volatility", a_fifth], "completed_bps")

name, policies, figure = QUESTION
scenario = oe.scenario(name).replace(orders=ORDERS // REPLICATES)
answer = oe.sweep(scenario, {"engine.slippage": policies}, REPLICATES, measure=measures.attempts)
print(answer.summary(figure))
answer.plot(figure)
