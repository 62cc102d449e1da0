"""Mistakes in how an order is carried to its end."""

from __future__ import annotations

from tests.seeded_bugs.bug import Bug

__all__ = ["EXECUTION"]

_TESTS = "tests/execution"
_EXECUTOR = "orderengine/execution/executor.py"
_ENGINE = "orderengine/execution/engine.py"
_WORKERS = "orderengine/execution/workers.py"
_MEMORY = "orderengine/execution/memory_store.py"
_MEMORY_TESTS = f"{_TESTS}/test_memory_store.py::TestMemoryEventStore"
_RACES = f"{_TESTS}/test_cancel_races.py"
_WORKERS_TESTS = f"{_TESTS}/test_workers.py"
_RECONCILER = f"{_TESTS}/test_reconciler.py"

EXECUTION: tuple[Bug, ...] = (
    Bug(
        name="unknown-taken-for-lapsed",
        says="No outcome in time is taken for a failed attempt, and another one is signed.",
        breaks="I6, I8",
        file=_EXECUTOR,
        old="if outcome is None:\n                            await self._send(signed)",
        new='if outcome is None:\n                            event = self._failed(state, "X", "")',
        caught_by=(f"{_TESTS}/test_executor.py::test_unknown_means_the_same_bytes_again",),
    ),
    Bug(
        name="re-sign-early",
        says="Who takes an order over signs anew, in the place of reading the stored bytes.",
        breaks="I6, I20",
        file=_EXECUTOR,
        old="signed = await self._store.signed(order_id, step.submitted.signature)",
        new="signed = await self._settlement.sign("
        "self._plan(state.order, Build(1, state.route)), self._clock.now_ns() + 10**9)",
        caught_by=(f"{_TESTS}/test_crashes.py::test_killed_at_every_await_and_taken_over[lands]",),
    ),
    Bug(
        name="send-before-store",
        says="The transaction is sent first and stored after it, to save a wait.",
        breaks="I5, I7",
        file=_EXECUTOR,
        old="                    state = await self._journal.record(\n",
        new="                    await self._send(signed)\n"
        "                    state = await self._journal.record(\n",
        caught_by=(f"{_TESTS}/test_executor.py::test_the_happy_path_is_five_events",),
    ),
    Bug(
        name="submitted-without-fence",
        says="The write that announces a transaction forgets the fence.",
        breaks="I20",
        file=_EXECUTOR,
        old="state, event, fence=fence, signed=signed, after=noted",
        new="state, event, signed=signed, after=noted",
        caught_by=(f"{_TESTS}/test_executor.py::test_an_old_fence_sends_nothing_new",),
    ),
    Bug(
        name="submitted-rests-on-nothing",
        says="A transaction is stored though the route before it, not waited for, was refused.",
        breaks="I13, I16",
        file=_EXECUTOR,
        old="state, event, fence=fence, signed=signed, after=noted",
        new="state, event, fence=fence, signed=signed",
        caught_by=(f"{_TESTS}/test_executor.py::test_what_follows_a_note_rests_on_it",),
    ),
    Bug(
        name="trust-the-send-error",
        says="A node that refuses the bytes is believed, though it may have passed them on.",
        breaks="I7, I8",
        file=_EXECUTOR,
        old="except (Unavailable, Rejected):\n            return",
        new="except Unavailable:\n            return",
        caught_by=(f"{_TESTS}/test_executor.py::test_a_send_that_raises_says_nothing",),
    ),
    Bug(
        name="failed-while-a-retry-follows",
        says="A transaction that landed and failed ends the order, though attempts are left.",
        breaks="I2",
        file=_EXECUTOR,
        old="if wait_ns is None:",
        new="if wait_ns is None or network_fee:",
        caught_by=(
            f"{_TESTS}/test_lessons.py::test_failed_is_not_announced_while_another_attempt_follows",
        ),
    ),
    Bug(
        name="cancelled-told-as-failed",
        says="An attempt that ends after a cancellation ends the order as failed.",
        breaks="I13",
        file=_EXECUTOR,
        old="wait_ns: int | None = 0  #",
        new="wait_ns: int | None = None  #",
        caught_by=(f"{_RACES}::test_cancel_while_the_transaction_is_out_and_does_not_land",),
    ),
    Bug(
        name="pause-ignored-by-the-executor",
        says="A pause holds back claims only, so orders at hand begin new attempts.",
        breaks="an operator's pause",
        file=_EXECUTOR,
        old="if is_paused and isinstance(step, AskQuotes | Build):",
        new="if is_paused and isinstance(step, AskQuotes):",
        caught_by=(f"{_TESTS}/test_halt.py::test_no_attempt_begins_while_work_is_paused",),
    ),
    Bug(
        name="pause-ignored-by-workers",
        says="Orders are claimed during a pause.",
        breaks="an operator's pause",
        file=_WORKERS,
        old="while self._halt is not None and self._halt.is_paused and not self._is_draining:",
        new="while self._halt is not None and not self._halt and not self._is_draining:",
        caught_by=(f"{_TESTS}/test_halt.py::test_nothing_is_claimed_while_work_is_paused",),
    ),
    Bug(
        name="enqueue-before-commit",
        says="A worker is woken before the order is stored.",
        breaks="I1",
        file=_ENGINE,
        old="        state = await self._journal.open(order, price, key)\n",
        new="        await self._queue.put(order.priority, order.order_id)\n"
        "        state = await self._journal.open(order, price, key)\n",
        caught_by=(f"{_TESTS}/test_engine.py::test_nobody_is_woken_for_what_is_not_stored",),
    ),
    Bug(
        name="cancel-gives-up-a-lost-race",
        says="A cancellation that somebody overtakes is dropped, and the state is returned.",
        breaks="I13",
        file=_ENGINE,
        old="                continue  # the order moved on meanwhile: look again",
        new="                return await self._journal.load(order_id)",
        caught_by=(
            f"{_TESTS}/test_engine.py::test_a_cancellation_that_is_overtaken_looks_again",
            f"{_RACES}::test_cancel_of_an_order_without_a_fill",
        ),
    ),
    Bug(
        name="cancel-without-compare-and-set",
        says="The store takes a number that is taken already, so two writers both win.",
        breaks="I13, I16",
        file=_MEMORY,
        old="if event.seq != len(log) + 1:",
        new="if event.seq > len(log) + 1:",
        caught_by=(f"{_MEMORY_TESTS}::test_of_many_writers_at_once_one_wins",),
    ),
    Bug(
        name="memory-without-fence",
        says="The store in memory does not compare the fence.",
        breaks="I20",
        file=_MEMORY,
        old="(fence != entry.fence or fence == 0)",
        new="fence == 0",
        caught_by=(f"{_MEMORY_TESTS}::test_an_old_fence_can_write_nothing",),
    ),
    Bug(
        name="key-kept-of-a-refused-order",
        says="The idempotency key is stored before it is known that the order can be.",
        breaks="I14",
        file=_MEMORY,
        old="        if accepted.order_id in self._entries:\n",
        new="        if key is not None:\n"
        "            self._keys[key.user, key.key] = (key.request_sha256, accepted.order_id)\n"
        "        if accepted.order_id in self._entries:\n",
        caught_by=(f"{_MEMORY_TESTS}::test_a_key_is_kept_with_its_order_or_not_at_all",),
    ),
    Bug(
        name="lease-never-renewed",
        says="The renewal sends an empty list.",
        breaks="I5 in time, D4",
        file=_WORKERS,
        old="await self._store.renew(dict(self._leases.values()))",
        new="await self._store.renew({})",
        caught_by=(f"{_WORKERS_TESTS}::test_leases_of_orders_at_hand_are_renewed_all_at_once",),
    ),
    Bug(
        name="takeovers-unbounded",
        says="An order that kills every worker is taken up for ever.",
        breaks="I23",
        file=_WORKERS,
        old="and lease.takeovers > self._takeovers_max",
        new="and lease.takeovers < 0",
        caught_by=(
            f"{_WORKERS_TESTS}::test_an_order_that_kills_its_process_before_any_event_is_given_up",
        ),
    ),
    Bug(
        name="drop-on-full-backlog",
        says="A wake-up that finds its lane full is dropped, in a queue that nobody scans.",
        breaks="I25",
        file="orderengine/execution/queue.py",
        old="        await room.acquire()\n",
        new="        if room.value == 0:\n            return\n        await room.acquire()\n",
        caught_by=(f"{_TESTS}/test_queue.py::test_putting_into_a_full_lane_waits_for_room",),
    ),
    Bug(
        name="reconciler-looks-once",
        says="The store is scanned at the start and never again.",
        breaks="I2, I22",
        file="orderengine/execution/reconciler.py",
        old="            await anyio.sleep(pause_s)",
        new="            await anyio.sleep_forever()",
        caught_by=(
            f"{_RECONCILER}::test_an_order_whose_worker_died_is_taken_up_when_its_lease_ends",
        ),
    ),
    Bug(
        name="from-seq-exclusive",
        says="A follower who asks from n on gets n + 1 first.",
        breaks="I17",
        file="orderengine/execution/journal.py",
        old="next_seq = max(from_seq, 1)",
        new="next_seq = max(from_seq + 1, 1)",
        caught_by=(f"{_TESTS}/test_journal.py::test_a_follower_sees_its_range_whenever_it_comes",),
    ),
    Bug(
        name="told-before-stored",
        says="Watchers hear of an event before it is stored.",
        breaks="I16, I17",
        file="orderengine/execution/journal.py",
        old="        await self._store.append(event, fence=fence, signed=signed, after=after)\n",
        new="        self._publish(then, event)\n"
        "        await self._store.append(event, fence=fence, signed=signed, after=after)\n",
        caught_by=(f"{_TESTS}/test_journal.py::test_what_is_not_stored_is_not_told",),
    ),
    Bug(
        name="deadline-over-a-live-signature",
        says="The deadline is looked at before the transaction that is out.",
        breaks="I24",
        file="orderengine/execution/step.py",
        old="    if state.submitted is not None:\n",
        new="    if state.submitted is not None and now_ns < (state.order.deadline_ns or 2**63):\n",
        caught_by=(f"{_TESTS}/test_step.py::test_next_step",),
    ),
    Bug(
        name="least-output-rounded-down",
        says="The least output is rounded in the engine's favour.",
        breaks="I10",
        file="orderengine/execution/policy.py",
        old="max(-(-kept // 10_000), 1)",
        new="max(kept // 10_000, 1)",
        caught_by=(f"{_TESTS}/test_policy.py::test_the_least_output_is_rounded_up",),
    ),
    Bug(
        name="greatest-input-by-floats",
        says="The greatest input is computed with a float.",
        breaks="I9, I10",
        file="orderengine/execution/policy.py",
        old="most = route.amount_in * (10_000 + order.slippage_bps) // 10_000",
        new="most = int(route.amount_in * (1 + order.slippage_bps / 10_000))",
        caught_by=(f"{_TESTS}/test_policy.py::test_the_greatest_input_is_rounded_down",),
    ),
    Bug(
        name="one-attempt-too-many",
        says="The count of attempts is off by one.",
        breaks="the retry policy",
        file="orderengine/execution/policy.py",
        old="if attempt >= attempts_max or code",
        new="if attempt > attempts_max or code",
        caught_by=(f"{_TESTS}/test_policy.py::test_the_last_attempt_is_not_followed",),
    ),
    Bug(
        name="cancel-request-ends-the-order",
        says="The table lets a cancellation end an order whose transaction is out.",
        breaks="I4, I13",
        file="orderengine/model/lifecycle.py",
        old='(Status.SUBMITTED, "cancel_requested"): Status.SUBMITTED,',
        new='(Status.SUBMITTED, "cancel_requested"): Status.CANCELLED,',
        caught_by=(f"{_RACES}::test_cancel_while_the_transaction_is_out_and_lands",),
    ),
    Bug(
        name="pool-fee-floored",
        says="A pool's fee is rounded in the trader's favour, unlike the program's.",
        breaks="I11",
        file="orderengine/pools/raydium_cpmm.py",
        old="trade_fee = -(-amount_in * self.trade_fee_rate // _RATE_ONE)",
        new="trade_fee = amount_in * self.trade_fee_rate // _RATE_ONE",
        caught_by=("tests/pools/test_raydium_cpmm.py",),
    ),
)
