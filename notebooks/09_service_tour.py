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
# # The service, beside its own simulation
#
# The engine that studies run in virtual time also runs live.
# Here it is started, sent two thousand orders at once, and laid beside a study of the same market.
#
# **Question: where does a live order's time go that a simulated one does not spend?**

# %%
import atexit
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import altair as alt
import polars as pl

import orderengine as oe

alt.renderers.enable("png", scale_factor=1.5)  # drawn here, without a network
ORDERS = int(os.environ.get("ORDERENGINE_NOTEBOOK_ORDERS", "2000"))

# %% [markdown]
# ## Start it
#
# One command, no setting: a queue in memory, orders kept in a file, the market of the original
# (quotes after 200 ms, execution after two to three seconds). It says what it stands on.

# %%
folder = Path(tempfile.mkdtemp(prefix="orderengine-"))
log = (folder / "serve.log").open("w+")
service = subprocess.Popen(
    [sys.executable, "-c", "from orderengine.cli import main; main()", "serve", "--port", "0"],
    cwd=folder,
    stderr=log,
)
atexit.register(service.terminate)  # whatever becomes of the cells below


def address() -> str:
    """Wait for the line that says where it listens, and return the address."""
    for _ in range(300):
        said = (folder / "serve.log").read_text()
        if "listening on " in said:
            return said.split("listening on ")[1].split(": ")[0]
        time.sleep(0.1)
    raise TimeoutError(said)


url = address()
print((folder / "serve.log").read_text().split(": ", 2)[2].strip())

# %% [markdown]
# ## One order
#
# `follow` yields the order's events as they are stored, and survives a socket that breaks.

# %%
order = oe.Order(order_id="mine", sell="SOL", buy="USDC", amount=oe.amount("1.5", "SOL"))
async with oe.Client(url) as client:
    receipt = await client.submit(order)
    async for event in client.follow(receipt.order_id):
        print(f"{event.seq}  {event.status}")

# %% [markdown]
# ## All at once
#
# `load` gives the same `Result` as `simulate`: the same tables, the same charts.
# Its own report says what the client saw. Four of its lines must be 0.
# A request waits for one of the client's 32 connections first: that is most of the way from the
# start to the receipt, and it is the client's own.

# %%
async with oe.Client(url) as client:
    live = await client.load("seed_default", orders=ORDERS, concurrency=ORDERS)
print(live.load)

# %% [markdown]
# ## The same orders in virtual time

# %%
simulated = oe.simulate("seed_default", orders=ORDERS, arrivals__model="burst")

STAGES = {
    "queue_ns": "waiting for a worker",
    "quote_ns": "asking for quotes",
    "build_ns": "building the transaction",
    "landing_ns": "landing",
    "confirm_ns": "knowing it",
    "total_ns": "accepted to the end",
}


def stages(result: oe.Result, name: str) -> pl.DataFrame:
    """Return a row an order and stage, in ms."""
    return (
        result.orders.filter(pl.col("status") == "confirmed")
        .select(*STAGES)
        .unpivot(variable_name="stage", value_name="ns")
        .select(
            pl.lit(name).alias("world"),
            pl.col("stage").replace_strict(STAGES),
            (pl.col("ns") / 1e6).alias("ms"),
        )
    )


both = pl.concat([stages(simulated, "simulated"), stages(live, "live")])
shown = (
    both.group_by("stage", "world", maintain_order=True)
    .agg(pl.col("ms").median().alias("p50"), pl.col("ms").quantile(0.99).alias("p99"))
    .pivot(on="world", index="stage", values=["p50", "p99"])
)
order_of = {words: place for place, words in enumerate(STAGES.values())}
with pl.Config(tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, float_precision=1):
    print(shown.sort(pl.col("stage").replace_strict(order_of)))

# %%
points = (
    both.group_by("stage", "world", maintain_order=True)
    .agg(*[pl.col("ms").quantile(share / 100, "nearest").alias(str(share)) for share in range(101)])
    .unpivot(index=["stage", "world"], variable_name="percent", value_name="ms")
    .with_columns(pl.col("percent").cast(pl.Int32))
)
alt.Chart(alt.InlineData(values=points.to_dicts())).mark_line(
    strokeWidth=2, interpolate="step-after"
).encode(
    x=alt.X("ms:Q", title="ms").scale(type="symlog", constant=1),
    y=alt.Y("percent:Q", title="% of filled orders"),
    color=alt.Color("world:N", title=None, sort=["simulated", "live"]),
    order="percent:Q",
    facet=alt.Facet("stage:N", columns=3, title=None, sort=list(STAGES.values())),
).properties(width=210, height=120, title="Live orders beside simulated ones").resolve_scale(
    x="independent"
)

# %% [markdown]
# ## The difference
#
# The waits that the market imposes are the same: 200 ms for quotes, two to three seconds to land.
# What is added live is the engine's own work, and it is a matter of load:
#
# - **waiting for a worker**: the wake-up, the lease and the order's log are read and written while
#   two thousand others ask for the same. In virtual time computing takes no time at all.
# - **asking for quotes** and **knowing it**: timers of an event loop that is busy fire late.
# - **building**: the signed bytes are on disk before they are sent; a commit is shared by all who
#   wait for one, so the wait is short, but it is there.
#
# Landing is unchanged, because it is the chain's time and not ours.
# So a study tells what the market costs, and the rest is what the service's benchmark is for.

# %%
service.terminate()
print("exit code", service.wait(timeout=30))
