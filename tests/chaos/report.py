"""Write what a run was and what came of it, as JSON for machines and as Markdown to read."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from tests.chaos.evidence import Evidence
from tests.chaos.figures import fault_figures, figures
from tests.chaos.judge import ELSEWHERE, Verdict
from tests.chaos.plan import KINDS, Fault

__all__ = ["markdown", "provenance", "report", "write"]

_SHOWN = 20
_HERE = Path(__file__).parent


def report(
    command: str, plan: Sequence[Fault], evidence: Evidence, verdicts: Sequence[Verdict]
) -> dict[str, Any]:
    """Return all of it as JSON's own types."""
    found: dict[str, Any] = provenance(command) | {
        "is_sound": not any(verdict.violations for verdict in verdicts),
        "plan": list(plan),
        "faults": fault_figures(evidence.record),
        "invariants": [
            {
                "id": verdict.invariant,
                "says": verdict.says,
                "checked": verdict.checked,
                "violations": len(verdict.violations),
                "first": verdict.violations[:_SHOWN],
            }
            for verdict in verdicts
        ],
        "shown_elsewhere": dict(ELSEWHERE),
        "figures": figures(evidence),
        "vitals": evidence.record.vitals,
    }
    built: dict[str, Any] = msgspec.to_builtins(found)
    return built


def provenance(command: str) -> dict[str, Any]:
    """Return what was run, at which commit, and on what; no host and no path."""
    return {
        "command": command,
        "commit": _commit(),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }


def _commit() -> str:
    """Return the commit, and whether anything differs from it."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=_HERE)
    return done.stdout.strip() or "unknown"


def write(found: dict[str, Any], file: Path) -> None:
    """Write ``file`` as JSON, and the same beside it as Markdown."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    file.with_suffix(".md").write_text(markdown(found))


def markdown(found: dict[str, Any]) -> str:
    """Return the report to read."""
    machine, total = found["machine"], found["figures"]
    lines = [
        "# Chaos: " + ("nothing was violated" if found["is_sound"] else "INVARIANTS WERE VIOLATED"),
        "",
        (
            f"`{found['command']}`, commit {found['commit']}, {machine['cores']} cores,"
            f" Python {machine['python']}, {machine['system']}."
        ),
        "",
        (
            f"{total['orders']} orders and {len(found['faults'])} faults of"
            f" {len({fault['kind'] for fault in found['faults']})} kinds in {total['seconds']} s."
            " Two APIs, two workers, PostgreSQL with fsync, Redis; profile `solana-fast`."
        ),
        "",
        "## Invariants",
        "",
        "| id | what must hold | checked | violations |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['id']} | {row['says']} | {row['checked']:,} | {row['violations']} |"
        for row in found["invariants"]
    ]
    for row in found["invariants"]:
        lines += [f"- {said}" for said in row["first"]]
    lines += ["", "## Figures", "", "| figure | value |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in total.items()]
    lines += ["", "## Kinds of faults", "", *_kinds(found["faults"])]
    lines += ["", "## Faults", "", *_faults(found["faults"])]
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {part:,}" for name, part in value.items())
    return f"{value:,}"


def _kinds(faults: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        (
            "Again: from the end of a fault to the next order that ends. Pause: the longest time in"
            " which no order ended, from its beginning to 5 s after it; faults overlap."
        ),
        "",
        "| kind | what it is | times | again, median ms | greatest | pause, median ms | greatest |",
        "|---|---|---|---|---|---|---|",
    ]
    by_kind: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for fault in faults:
        by_kind[fault["kind"]].append(fault)
    for kind in sorted(by_kind):
        again = [fault["again_ms"] for fault in by_kind[kind] if fault["again_ms"] is not None]
        pauses = [fault["pause_ms"] for fault in by_kind[kind]]
        lines.append(
            f"| {kind} | {KINDS[kind].says} | {len(pauses)} | {median(again or [0]):.0f} |"
            f" {max(again, default=0)} | {median(pauses):.0f} | {max(pauses)} |"
        )
    return lines


def _faults(faults: Sequence[dict[str, Any]]) -> list[str]:
    names = ("number", "kind", "target", "began_s", "lasted_ms", "again_ms", "pause_ms")
    lines = ["| " + " | ".join(name.replace("_", " ") for name in names) + " |"]
    lines.append("|" + "---|" * len(names))
    lines += ["| " + " | ".join(str(fault[name]) for name in names) + " |" for fault in faults]
    return lines
