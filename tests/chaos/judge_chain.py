"""Hold the logs against the chain's own record: what was sent, what landed, what was told."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from orderengine.market.profiles import PROFILES
from orderengine.model.events import AttemptFailed, Confirmed, Event, Failed, Submitted
from orderengine.model.wire import decode_event
from tests.chaos.evidence import Evidence
from tests.chaos.findings import Findings

__all__ = ["landed_once", "one_signature", "settled"]

_VALID_BLOCKS = PROFILES["solana-fast"].landing.blockhash_blocks


def _fates(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """Return what the chain did, by signature."""
    return {signature: json.loads(body) for signature, (_, body) in evidence.chain.items()}


def _logs(evidence: Evidence) -> Iterator[tuple[str, list[Event]]]:
    for order_id, log in evidence.logs.items():
        yield order_id, [decode_event(body) for _, body in log]


def landed_once(evidence: Evidence, findings: Findings) -> None:
    """I5: over all attempts and workers."""
    landed: dict[str, list[str]] = {order_id: [] for order_id in evidence.orders}
    for signature, fate in _fates(evidence).items():
        if fate["type"] == "Landed":
            landed.setdefault(evidence.chain[signature][0], []).append(signature)
    for order_id, signatures in landed.items():
        said = f"order {order_id} landed {len(signatures)} times: {', '.join(signatures)}"
        findings.require(len(signatures) <= 1, said)


def one_signature(evidence: Evidence, findings: Findings) -> None:
    """I6: a transaction is signed only when the one before has a fate that rules it out.

    One that lapsed had passed its height before the next was signed: what that one says of its own
    validity dates its signing.
    """
    fates = _fates(evidence)
    for order_id, log in _logs(evidence):
        out = [event for event in log if isinstance(event, Submitted)]
        for first, second in itertools.pairwise(out):
            fate = fates.get(first.signature, {}).get("type")
            findings.require(
                fate in ("Lapsed", "Reverted"),
                f"order {order_id} was signed again while {first.signature} was {fate}",
            )
            signed_at = second.last_valid_height - _VALID_BLOCKS
            findings.require(
                fate != "Lapsed" or signed_at > first.last_valid_height,
                f"order {order_id} was signed again at height {signed_at}, while the one before"
                f" was valid up to {first.last_valid_height}",
            )


def settled(evidence: Evidence, findings: Findings) -> None:
    """I7: what the log says became of each signature is what the chain says, and nothing else."""
    fates = _fates(evidence)
    announced: set[str] = set()
    for order_id, log in _logs(evidence):
        out: Submitted | None = None
        for event in log:
            if isinstance(event, Submitted):
                out = event
                announced.add(event.signature)
            elif out is not None and isinstance(event, Confirmed | AttemptFailed | Failed):
                _require_same(findings, order_id, out.signature, event, fates.get(out.signature))
                out = None
            elif event.status.is_terminal:
                findings.require(
                    out is None, f"order {order_id} is {event.status.value} with a signature out"
                )
                findings.require(
                    not isinstance(event, Confirmed), f"order {order_id} is confirmed, nothing out"
                )
    for signature, (order_id, _) in evidence.chain.items():
        findings.require(
            signature in announced,
            f"order {order_id}: the chain knows {signature}, which no log announced",
        )


def _require_same(
    findings: Findings, order_id: str, signature: str, event: Event, fate: dict[str, Any] | None
) -> None:
    said = f"order {order_id}: its log says {event.status.value} of {signature}, the chain {fate}"
    if fate is None:
        findings.require(False, said)
    elif isinstance(event, Confirmed):
        same = all(
            str(getattr(event, name)) == str(fate.get(name))
            for name in ("amount_in", "amount_out", "slot")
        )
        findings.require(fate["type"] == "Landed" and event.signature == signature and same, said)
    elif isinstance(event, AttemptFailed | Failed):
        findings.require(fate["type"] != "Landed" and fate.get("code") == event.code, said)
