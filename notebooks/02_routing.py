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
# # Routing: what a split is worth
#
# One order, six pools. It can go to the pool that quotes best, or be shared among several.
# Every route here carries a bound that no route can pass, so we can say how far each one is from
# the best there is.
#
# **Questions: what does splitting save, by size? What do heuristics leave? When does a further
# leg cost more than it brings? And does it last until the order lands?**

# %%
import os
from statistics import median

import altair as alt
import polars as pl
from msgspec.structs import replace

import orderengine as oe
from orderengine.analysis import plots
from orderengine.market.drawn import DrawnPools, draw_pools
from orderengine.market.draws import Draws
from orderengine.routing.costs import network_cost
from orderengine.routing.request import Costs

alt.renderers.enable("png", scale_factor=1.2)  # drawn here, without a network
ORDERS = int(os.environ.get("ORDERENGINE_NOTEBOOK_ORDERS", "3000"))

# %% [markdown]
# ## One route
#
# The pools are those of the default scenario: one of each program, as deep as they were on
# mainnet in July 2026.
# `market_view` keeps what it computes, so asking again is cheap.

# %%
scenario = oe.scenario("default")
market = oe.market_view(scenario)
route = oe.route(market, "SOL", "USDC", "2000SOL")
plots.route(route)

# %% [markdown]
# The legs are integers, computed by the pools themselves. The bound is proven: no way of sharing
# this order pays more.

# %%
{
    "receive": route.amount_out,
    "bound": route.bound,
    "gap in bps": route.gap_bps,
    "price impact in bps": round(route.price_impact_bps, 2),
    "left out": {said.pool: said.reason for said in route.left_out},
}

# %% [markdown]
# ## What splitting saves, by size
#
# Price impact against the first unit's price, of the single best pool and of the split.

# %%
sizes = [10 ** (k / 4) for k in range(21)]
rows = []
for size in sizes:
    amount = round(size * 1e9)
    for strategy in ("best", "split"):
        found = oe.route(market, "SOL", "USDC", amount, strategy=strategy)
        rows.append({"SOL": size, "strategy": strategy, "bps": found.price_impact_bps})
impact = pl.DataFrame(rows)
alt.Chart(impact).mark_line(point=True).encode(
    x=alt.X("SOL:Q", scale=alt.Scale(type="log"), title="size of the order, SOL"),
    y=alt.Y("bps:Q", scale=alt.Scale(type="log"), title="price impact, bps"),
    color=alt.Color("strategy:N", title=None),
).properties(width=640, height=260, title="What an order pays for its size")

# %%
saved = impact.pivot("strategy", index="SOL", values="bps").with_columns(
    (pl.col("best") - pl.col("split")).alias("saved, bps")
)
saved[::4]

# %% [markdown]
# A small order gains nothing worth a second leg. At 1,000 SOL the split saves more than a basis
# point, and beyond what the best pool holds it is the only way.
#
# ## What heuristics leave
#
# 60 drawn markets of 2 to 10 pools of all programs, four sizes each.
# `greedy1` and `greedy5` place an order in steps of 1 % and 5 %, `grid` takes the best split into
# multiples of 5 %.
# The gap is to the proven bound of the same market. Where prices only fall as pools are traded,
# greedy steps are the optimum on their grid: `greedy5` and `grid` are then one.

# %%
draws, rows = Draws(7, "notebook/routing"), []
for number in range(60):
    pools = draw_pools(DrawnPools(), 2 + number % 9, draws, number)
    drawn = oe.market_view(pools)
    for size in ("10SOL", "100SOL", "1000SOL", "10000SOL"):
        for strategy in ("split", "greedy1", "greedy5", "grid", "best"):
            try:
                found = oe.route(drawn, "SOL", "USDC", size, strategy=strategy)
            except oe.errors.Rejected:
                continue  # no pool alone is deep enough
            rows.append({"size": size, "strategy": strategy, "bps": found.gap_bps})
gaps = pl.DataFrame(rows)
gaps.group_by("strategy", maintain_order=True).agg(
    pl.col("bps").median().alias("median gap, bps"),
    pl.col("bps").quantile(0.95).alias("95 % below, bps"),
    pl.col("bps").max().alias("most, bps"),
)

# %%
alt.Chart(gaps.filter(pl.col("strategy") != "split")).mark_boxplot(
    extent="min-max", size=22
).encode(
    x=alt.X(
        "bps:Q",
        scale=alt.Scale(type="symlog", constant=0.001),
        title="gap to the bound, bps",
        axis=alt.Axis(values=[0, 0.01, 0.1, 1, 10, 100, 1000], format="~g"),
    ),
    y=alt.Y("strategy:N", title=None),
    row=alt.Row("size:N", title=None, sort=["10SOL", "100SOL", "1000SOL", "10000SOL"]),
    color=alt.Color("strategy:N", legend=None),
).properties(width=600, height=90)

# %% [markdown]
# Steps of 1 % are nearly always good enough for an order that the pools hold easily. All of them
# fail where pools run out: a step that no longer fits goes where it hurts.
#
# ## What a leg costs
#
# Each leg asks for compute units, and in a busy block they are dear.
# With a price for them a leg must earn its fee, and the best number of legs is found exactly.

# %%
rows = []
for unit_price in (0, 1_000_000, 10_000_000, 100_000_000):
    for size in ("10SOL", "100SOL", "1000SOL", "10000SOL"):
        found = oe.route(market, "SOL", "USDC", size, unit_price=unit_price)
        rows.append({"micro-lamports a unit": unit_price, "size": size, "legs": len(found.legs)})
pl.DataFrame(rows).pivot("size", index="micro-lamports a unit", values="legs")

# %% [markdown]
# The same for one order of 500 SOL: the best route of exactly so many legs, before and after its
# fee. The fourth leg still brings a little, and costs more than it brings.

# %%
unit_price = 20_000_000
lamport = oe.route(market, "SOL", "USDC", "1SOL").amount_out * 2**64 // 10**9
costs = Costs(unit_price=unit_price, lamport_price_x64=lamport)
routes = []
for legs in range(1, 5):
    found = oe.route(market, "SOL", "USDC", "500SOL", max_legs=legs)
    fee = network_cost(costs, [leg.venue for leg in found.legs])
    routes.append(replace(found, network_cost=fee))
plots.legs(routes)

# %% [markdown]
# ## Does it last?
#
# A route is optimal on the pools as they were read. It lands some slots later, after others have
# traded there. Two crowds, the same luck for each router: thousands of small orders within a
# second, and large ones, one a second.

# %%
CROWDS = {
    "small, all at once": {"orders": ORDERS},
    "1,000 SOL, one a second": {
        "orders": max(ORDERS // 15, 20),
        "arrivals.rate_per_s": 1.0,
        "order.size_median": "1000SOL",
        "order.size_sigma": 0.2,
        "order.slippage_bps": 100,
    },
}
rows = []
for crowd, changes in CROWDS.items():
    for router in ("best", "greedy5", "split"):
        costs = []
        for seed in (1, 2, 3):
            study = scenario.replace({**changes, "seed": seed, "engine.router": router})
            costs.append(oe.simulate(study, progress=False).summary().shortfall_bps["mean"])
        rows.append({"orders": crowd, "router": router, "bps": round(median(costs), 2)})
pl.DataFrame(rows).pivot("router", index="orders", values="bps")

# %% [markdown]
# Mean implementation shortfall in basis points, the median of three seeds.
#
# A large order that comes alone gains what the split promises. In a crowd everybody splits as if
# alone, over the same pools, and all of them are moved before the orders land: there the first
# notebook's answer holds, to spread over pools that are nearly as good.
