"""The simulated world as plain state: slots, prices, pools, flow, landing. No async, no I/O."""
