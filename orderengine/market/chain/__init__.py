"""Solana itself: slots, leaders, congestion, block space, bids, paths to a leader, commitment."""
