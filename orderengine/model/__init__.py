"""The nouns of the domain: tokens, amounts, orders, quotes, routes, events, and the lifecycle."""
