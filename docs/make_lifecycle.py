"""Draw the order's lifecycle from its table: ``python docs/make_lifecycle.py``."""

from __future__ import annotations

from pathlib import Path

from orderengine.model.events import Status
from orderengine.model.lifecycle import TRANSITIONS

PAGE = Path(__file__).with_name("lifecycle.md")


def page() -> str:
    """Return the page's text."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        start = "[*]" if before is None else str(before)
        arrows.setdefault((start, str(after)), []).append(event)
    lines = [
        f"    {start} --> {after}: {', '.join(events)}" for (start, after), events in arrows.items()
    ]
    ends = [f"    {status} --> [*]" for status in Status if status.is_terminal]
    rows = [
        f"| {'—' if before is None else before} | {event} | {after} |"
        for (before, event), after in TRANSITIONS.items()
    ]
    return "\n".join(
        [
            "# The life of an order",
            "",
            "Drawn from `orderengine/model/lifecycle.py` by `docs/make_lifecycle.py`.",
            "A pair of status and event that is not here is refused, and refusing changes nothing.",
            "",
            "```mermaid",
            "stateDiagram-v2",
            *lines,
            *ends,
            "```",
            "",
            "| status | event | status after |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
