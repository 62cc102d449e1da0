"""Say when a landing is known, by commitment level and consensus, and what forks undo.

``towerbft``: *processed* when the block is there, at its slot's end, and has reached us;
*confirmed* when two thirds of the stake have voted on it; *finalized* when 32 blocks, counted in
block height, follow it, which takes 12.8 s (Anza docs: 31 confirmed blocks on top). ``alpenglow``:
a block is final 100 to 150 ms after its end (a design goal, not a measurement), and confirmed is
the same as finalized. Under both, a blockhash counts as expired only once a final block has passed
its limit, whatever the level: a signature is replaced only when no block can hold it any more.

Forks, of ``towerbft`` only: a block that was built and seen is left behind by the majority. To the
chain it is a skipped slot; what had landed in it disappears and comes into the next block, or is
lost until it is sent again. Assumptions: it happens to single blocks, at a constant rate, and never
to a confirmed one; time until votes are counted. Where it misleads: a fork's length and the votes'
delay grow with load.

The settlement promises that what it reports as landed is final, so *processed* may be asked for
only where blocks are never left behind. What a reader at *processed* would have believed in vain is
in ``World.vanished``.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from orderengine.market.fields import Duration, check, duration_ns
from orderengine.market.latency import LatencyConfig

__all__ = ["Commitment", "CommitmentLevel", "ConsensusConfig"]

CommitmentLevel = Literal["processed", "confirmed", "finalized"]


class ConsensusConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe how the network agrees on blocks, and how soon that is known."""

    profile: Literal["off", "towerbft", "alpenglow"] = "off"
    """``off``: a landing is known ``landing.confirm`` after its slot began, whatever the level."""
    processed: LatencyConfig = LatencyConfig(model="lognormal", median="100ms", sigma=0.3)
    """From a block's end to seeing it. Assumption."""
    confirmed: LatencyConfig = LatencyConfig(model="lognormal", median="600ms", sigma=0.3)
    """Of ``towerbft``: from a block's end to two thirds of the votes. Assumption: what landing and
    the block itself leave of the measured median of 3,225 ms."""
    finalized_blocks: int = 32
    """Of ``towerbft``: blocks from landing to finality, 12.8 s of 400 ms (vendors' documents)."""
    finality_low: Duration = "100ms"
    finality_high: Duration = "150ms"
    """Of ``alpenglow``: from a block's end to finality, uniform between both."""
    fork_rate: float = 0.0
    """Of ``towerbft``: chance that a slot's block is left behind. Assumption."""
    fork_relands: float = 0.5
    """Chance that a transaction of such a block comes into the next one. Assumption."""

    def __post_init__(self) -> None:
        blocks = self.finalized_blocks
        check("finalized_blocks", blocks, 1 <= blocks <= 10_000, "from 1 to 10000 blocks")
        low, high = self.finality_low, self.finality_high
        rises = duration_ns("finality_low", low) <= duration_ns("finality_high", high)
        check("finality_high", high, rises, f"at least finality_low ({low})")
        rate = self.fork_rate
        check("fork_rate", rate, 0 <= rate <= 0.9, "from 0 to 0.9")
        none = rate == 0 or self.profile == "towerbft"
        check("fork_rate", rate, none, "0 but for the profile towerbft")
        check("fork_relands", self.fork_relands, 0 <= self.fork_relands <= 1, "from 0 to 1")


class Commitment(Struct, frozen=True, kw_only=True):
    """Say what must have happened before a fate is told."""

    latency: LatencyConfig
    """From a block's start, or its end, to telling what landed in it."""
    from_end: bool = False
    landed_blocks: int = 0
    """How many blocks must follow the one in which a transaction landed."""
    lapsed_blocks: int = 0
    """How many blocks must follow the one with which a transaction expired."""

    @classmethod
    def of(
        cls,
        consensus: ConsensusConfig,
        level: CommitmentLevel,
        confirm: LatencyConfig,
        slot_ns: int,
    ) -> Commitment:
        """Return the commitment of a level; ``confirm`` is the latency without a profile."""
        if consensus.profile == "off":
            return cls(latency=confirm)
        if level == "processed":
            latency = consensus.processed
        elif consensus.profile == "alpenglow":
            low, high = consensus.finality_low, consensus.finality_high
            latency = LatencyConfig(model="uniform", low=low, high=high)
        elif level == "confirmed":
            latency = consensus.confirmed
        else:
            latency = LatencyConfig()
        if consensus.profile == "towerbft":
            blocks = consensus.finalized_blocks
            landed = blocks if level == "finalized" else 0
            return cls(latency=latency, from_end=True, landed_blocks=landed, lapsed_blocks=blocks)
        final_ns = duration_ns("finality_high", consensus.finality_high)
        # So many slots are no shorter than finality, which counts from the first one's end.
        blocks = 1 + -(-final_ns // slot_ns)
        return cls(latency=latency, from_end=True, lapsed_blocks=blocks)
