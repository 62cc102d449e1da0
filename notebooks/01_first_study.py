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
# # A first study: 5,000 orders at once
#
# Five thousand people swap SOL and USDC within about a second.
# Every order asks six programs for quotes, takes the best, and lands on the chain some slots later.
# By then others have traded on the same pools.
#
# **Question: is the best quote still the best choice when everybody takes it?**

# %%
import os

import altair as alt

import orderengine as oe

alt.renderers.enable("png", scale_factor=1.5)  # drawn here, without a network
ORDERS = int(os.environ.get("ORDERENGINE_NOTEBOOK_ORDERS", "5000"))

# %% [markdown]
# ## The scenario
#
# A scenario holds everything that decides the outcome. It prints as TOML, and `replace` changes it.

# %%
scenario = oe.scenario("default").replace(orders=ORDERS)
scenario

# %% [markdown]
# ## The result
#
# `simulate` runs the same executor that serves live orders, on a clock that jumps.
# The same scenario and seed give the same event log, to the byte.

# %%
result = oe.simulate(scenario)
result

# %%
result.event_log_sha256

# %% [markdown]
# ## One figure
#
# Nearly all orders are in flight at once; most of their life they wait to land.

# %%
result.plot.in_flight()

# %% [markdown]
# ## One order
#
# Every order carries its own story: who quoted what, who lost and why, what each stage took.
# Here is the one that was tried most often.

# %%
most_tried = result.orders.sort("attempts", "number", descending=[True, False])["number"][0]
result.timeline(most_tried)

# %% [markdown]
# ## A router of one's own
#
# Any function of an order and its quotes is a router.
# This one spreads orders over all quotes within 5 basis points of the best, instead of sending
# everybody to the same pool.


# %%
def spread(order, quotes):
    """Take one of the quotes within 5 bps of the best; which one depends on the order's id."""
    if order.mode == "exact_in":
        worth = [quote.amount_out - quote.network_cost for quote in quotes]
    else:
        worth = [-(quote.amount_in + quote.network_cost) for quote in quotes]
    best = max(worth)
    near = [q for q, w in zip(quotes, worth, strict=True) if w >= best - abs(best) * 5 // 10_000]
    return near[int(order.order_id, 16) % len(near)]


spread_result = oe.simulate(scenario, engine__router=spread)
spread_result

# %% [markdown]
# ## The answer
#
# One seed is one history. Five of them, each met by both routers with the same luck:

# %%
costs = {"best": [], "spread": []}
for seed in range(1, 6):
    for name, router in (("best", "best"), ("spread", spread)):
        figures = oe.simulate(scenario, seed=seed, engine__router=router).summary()
        costs[name].append(figures.shortfall_bps["mean"])
        print(
            f"seed {seed}  {name:<6}  cost {figures.shortfall_bps['mean']:6.2f} bps   "
            f"filled {figures.fill_rate:6.1%}   attempts an order {figures.attempts_mean:5.3f}"
        )
for name, found in costs.items():
    print(f"{name:<6}  from {min(found):5.2f} to {max(found):5.2f} bps")

# %% [markdown]
# No. The quotes are honest, but five thousand people read the same ones: they herd into one pool,
# and all but the first of them find its price moved when they land. That is price impact, which
# no single quote shows. Spreading orders over what is nearly as good costs less than half of it,
# in each of the five histories.

# %%
result.plot.shortfall()

# %%
spread_result.plot.shortfall()

# %% [markdown]
# The scenario records which function it was, by name and hash of its source.

# %%
spread_result.scenario.to_dict()["engine"]["router"]
