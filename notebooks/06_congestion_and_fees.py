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
# # Congestion and fees
#
# A rush: blocks are wanted twice over, in bursts six times, and whoever bids more gets in first.
# A priority fee is that bid: micro-lamports for each compute unit that a transaction asks for.
#
# **Question: what priority fee buys how much time in a rush?**

# %%
import os

import altair as alt

import orderengine as oe
from orderengine.analysis import plots
from orderengine.analysis.frontier import frontier

alt.renderers.enable("png", scale_factor=1.5)  # drawn here, without a network
ORDERS = int(os.environ.get("ORDERENGINE_NOTEBOOK_ORDERS", "1000"))
REPLICATES = ORDERS // 125

# %% [markdown]
# ## The rush
#
# `congested` is the scenario of that name. Two changes: all orders pay the same price, and they
# come two a second instead of twenty, so that a run of a thousand lasts eight minutes and sees
# several bursts.

# %%
rush = oe.scenario("congested").replace(
    orders=ORDERS,
    arrivals__rate_per_s=2.0,
    order__urgent_share=0.0,
    order__bulk_share=0.0,
)
rush

# %% [markdown]
# ## Nine ways to bid
#
# Five fixed prices, from what half of a recorded block's transactions paid at most (300) to the
# 90th percentile of that block (4,360,000). Three that look at recent blocks and pay a percentile
# of what these were paid. And one that begins at 300 and doubles at each further attempt.

# %%
PRICE, POLICY = "market.fees.normal_micro_lamports", "engine.priority_fee"
bids = [
    {"variant": "300", PRICE: 300},
    {"variant": "20,000", PRICE: 20_000},
    {"variant": "200,000", PRICE: 200_000},
    {"variant": "1 million", PRICE: 1_000_000},
    {"variant": "4.36 million", PRICE: 4_360_000},
    {"variant": "percentile 25", POLICY: "percentile", "engine.fee_percentile": 25},
    {"variant": "percentile 50", POLICY: "percentile", "engine.fee_percentile": 50},
    {"variant": "percentile 75", POLICY: "percentile", "engine.fee_percentile": 75},
    {"variant": "escalate", POLICY: "escalate", PRICE: 300},
]
result = oe.sweep(rush, bids, REPLICATES, progress=False)
result

# %% [markdown]
# Means and 95 % intervals over runs of other seeds. Each bid met the same orders, prices and
# bursts, so two bids differ by less than their intervals suggest.
#
# ## The answer
#
# `total` is the time from acceptance to the end, whatever the end is: an order that expires after
# a minute counts with its minute. Cost counts all fees.

# %%
low, high, most = ({"variant": name} for name in ("300", "200,000", "1 million"))
p95, cost, fill = "latency_ms.total.p95", "shortfall_bps.mean", "fill_rate"
print(
    f"Bidding {high['variant']} instead of {low['variant']} micro-lamports a unit fills a share of "
    f"{result.estimate(fill, high)} of the orders instead of {result.estimate(fill, low)}, ends "
    f"95 % of them {result.estimate(p95, low, high)} ms sooner, and costs "
    f"{result.estimate(cost, high, low)} bps more; bidding {most['variant']} takes off another "
    f"{result.estimate(p95, high, most)} ms, for another {result.estimate(cost, most, high)} bps."
)

# %%
plots.frontier(frontier(result.table, ["variant"]), ["variant"])

# %% [markdown]
# Each point is a way to bid. Time falls to the left and cost falls down, so what lies up and to
# the right of another is beaten by it. In the stored run:
#
# - The line of the fixed prices bends: up to 200,000 a bid buys time for next to nothing, beyond a
#   million it buys next to no time for a lot.
# - The higher percentiles of recent blocks lie near that line. They pay by the rush that there is,
#   so nobody has to know the right price beforehand; and more than they must, for others, too, paid
#   more than the least that would have got in.
# - `escalate` is the fixed price that it begins with. An attempt that waits pays no more, for it
#   cannot be signed anew before its blockhash has run out, and by then the order's minute is over.

# %%
result.plot("fill_rate", "variant")

# %% [markdown]
# ## What this does not show
#
# That blocks are wanted twice over, and how bursts come and go, is assumed: no source gives it.
# What others bid is one recorded block, and here they do not bid more when the rush is worse, as
# people do. So read the shape of the curve, not its place
# ([blocks and bids](../docs/study/blocks.md), [congestion](../docs/study/landing.md)).
# A bid buys a place in a block, not the way to the leader: what is lost on the way stays lost.
# An order that was not filled costs only what the price did meanwhile, so look at the share filled
# beside the cost.
#
# ## Change the question
#
# One line: which two do you want to compare? Here: the same fixed bid, sent through a staked
# validator. Try `{"order.deadline": "180s", "engine.priority_fee": "escalate"}`, another scenario
# in place of `rush`, or a function of yours that returns a price.


# %%
def hasty(order, attempt, view):
    """Bid the median of recent blocks, five times that when urgent."""
    return view.recent(50) * (5 if order.priority == "urgent" else 1)


change = {"market.landing.path": "staked"}  # edit this line; or {"engine.priority_fee": hasty}
base = rush.replace({PRICE: 200_000})
print(oe.compare(base, base.replace(change), metric=p95, replicates=REPLICATES, progress=False))
