"""Choose how to fill an order: from quotes or a market snapshot to a route. No async, no I/O."""
