"""Hold a run's evidence against the invariants, and name each violation in a sentence.

Every check is a function that counts what it looked at: one that looked at nothing has shown
nothing. What a storm cannot show, or not alone, has a test of its own, named in ``ELSEWHERE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from tests.chaos import judge_answers, judge_chain, judge_logs, judge_service, judge_streams
from tests.chaos.evidence import Evidence
from tests.chaos.findings import Findings

__all__ = ["CHECKS", "ELSEWHERE", "Check", "Verdict", "judge"]


class Check(Struct, frozen=True):
    """Hold one invariant and how it is checked."""

    says: str
    run: Callable[[Evidence, Findings], None]


class Verdict(Struct, frozen=True):
    """Say how an invariant fared."""

    invariant: str
    says: str
    checked: int
    violations: tuple[str, ...]


CHECKS: Mapping[str, Check] = {
    "I1": Check("what was answered with 202 is readable, for ever", judge_answers.readable),
    "I2": Check("every order ends, in time", judge_logs.ended),
    "I3": Check("an order ends once", judge_logs.ended_once),
    "I5": Check("an order lands at most once", judge_chain.landed_once),
    "I6": Check("two live signatures never exist", judge_chain.one_signature),
    "I7": Check("settled if and only if landed", judge_chain.settled),
    "I13": Check("cancel against execution has one winner", judge_answers.cancelled),
    "I14": Check("a key makes one order, of one user", judge_answers.keyed),
    "I16": Check("logs have no gaps, and the state is their fold", judge_logs.folded),
    "I17": Check("a socket's messages are a range of the log", judge_streams.ranges),
    "I18": Check("who does not read costs nobody anything", judge_streams.frozen),
    "I19": Check("nobody sees what is another's", judge_answers.private),
    "I20": Check("an old lease writes nothing", judge_service.stale),
    "I21": Check("ids that come again change nothing", judge_service.woken),
    "I22": Check("a wiped queue loses nothing", judge_service.wiped),
    "I24": Check("no attempt begins after the deadline", judge_logs.punctual),
    "I25": Check("what is refused is not executed", judge_answers.refused),
    "I27": Check("who is told to end does so in order", judge_service.drained),
    "I28": Check("lists hold each order once", judge_answers.listed),
    "I29": Check("metrics agree with SQL", judge_service.counted),
    "answers": Check("no answer is other than promised", judge_answers.answered),
    "growth": Check("no process grows beyond its bound", judge_service.bounded),
    "processes": Check("nothing happens that nobody planned", judge_service.uneventful),
}
"""By the ids of the table of invariants."""

ELSEWHERE: Mapping[str, str] = {
    "I18": "tests/service/sockets/test_sockets.py::"
    "test_a_slow_reader_is_closed_and_nobody_waits_for_it",
    "I20": "tests/execution/test_crashes.py::test_stopped_at_every_await_and_taken_over",
    "I23": "tests/execution/test_workers.py::"
    "test_an_order_that_kills_its_process_before_any_event_is_given_up",
    "I27": "tests/service/operations/test_drain.py::test_a_serving_process_drains",
}
"""What has a scenario of its own."""


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """Return how every invariant fared."""
    verdicts = []
    for invariant, check in CHECKS.items():
        findings = Findings()
        check.run(evidence, findings)
        said = tuple(f"{invariant}: {violation}" for violation in findings.violations)
        verdicts.append(Verdict(invariant, check.says, findings.checked, said))
    return tuple(verdicts)
