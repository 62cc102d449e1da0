"""Show what each route answers when all is well, for the description of the API."""

from __future__ import annotations

from typing import Any

__all__ = ["ANSWERS"]

_ID = "1f524bc345bc4ba1a47c4ac758bca043"
_SWAP = {"sell": "SOL", "buy": "USDC", "amount_in": "1500000000", "amount_out": "122452236"}
_LEG = {"venue": "meteora_dlmm", "pool": "meteora", **_SWAP, "fee_in": "3000000", "fee_out": "0"}
_ORDER = {
    "order_id": _ID,
    "status": "confirmed",
    "seq": 5,
    "sell": "SOL",
    "buy": "USDC",
    "amount": "1500000000",
    "mode": "exact_in",
    "slippage_bps": 50,
    "priority": "normal",
    "accepted_at": "2026-11-23T08:19:28.902707350Z",
    "attempts": 1,
    "cancel_requested": False,
    "simulated": True,
    "signature": "simb44b829561ee9fe58878d082b544d418",
    "amount_in": "1500000000",
    "amount_out": "122452236",
}
_CANCELLED = {"order_id": _ID, "status": "cancelled", "seq": 3, "cancel_requested": False}
_CLAIMED = {
    "at": "2026-11-23T08:19:28.907955150Z",
    "order_id": _ID,
    "seq": 2,
    "status": "routing",
    "type": "claimed",
    "worker": "host-4706-0",
}
_QUOTE = {
    "amount_in": _SWAP["amount_in"],
    "amount_out": _SWAP["amount_out"],
    "legs": [_LEG],
    "quotes": [
        {"venue": "raydium_cpmm", "pool": "raydium"}
        | {"amount_in": "1500000000", "amount_out": "122378236"},
        {"venue": "meteora_dlmm", "pool": "meteora"}
        | {"amount_in": "1500000000", "amount_out": "122452236"},
    ],
    "declined": [
        {"venue": "raydium_cpmm", "pool": "raydium"}
        | {"code": "WORSE_PRICE", "reason": "6.04 bps worse, costs included"}
    ],
    "simulated": True,
}
_CHECKS = {"process": "ok", "store": "ok", "workers": "ok", "queue": "redis"}

ANSWERS: dict[tuple[str, str], Any] = {
    ("POST", "/execute"): {"order_id": _ID, "status": "pending", "seq": 1},
    ("GET", "/orders"): {"orders": [_ORDER], "before": None},
    ("GET", "/orders/{order_id}"): _ORDER,
    ("DELETE", "/orders/{order_id}"): _CANCELLED,
    ("GET", "/orders/{order_id}/events"): {"events": [_CLAIMED]},
    ("POST", "/quote"): _QUOTE,
    ("GET", "/health/live"): {"status": "ok"},
    ("GET", "/health/ready"): {"status": "ok", "checks": _CHECKS},
}
"""By method and path; what is not here is described by its schema well enough."""
