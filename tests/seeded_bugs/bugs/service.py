"""Mistakes at the doors, on the sockets and in the queue between processes."""

from __future__ import annotations

from tests.seeded_bugs.bug import Bug

__all__ = ["SERVICE"]

_ORDERS = "orderengine/service/web/orders.py"
_HUB = "orderengine/service/sockets/hub.py"
_DOORS = "tests/service/access/test_doors.py"
_SOCKETS = "tests/service/sockets/test_sockets.py"
_ADMISSION = "tests/service/access/test_admission.py"

SERVICE: tuple[Bug, ...] = (
    Bug(
        name="order-without-user",
        says="Whoever knows an order's id may see it and cancel it.",
        breaks="I19",
        file=_ORDERS,
        old="if not log or log[0].user != identity_of(request).user:",
        new="if not log:",
        caught_by=(f"{_DOORS}::test_a_user_sees_nothing_of_another",),
    ),
    Bug(
        name="forbidden-in-the-place-of-unknown",
        says="Another user's order is answered otherwise than one that nobody has.",
        breaks="I19",
        file=_ORDERS,
        old="    if not log or log[0].user != identity_of(request).user:\n",
        new="    if log and log[0].user != identity_of(request).user:\n"
        "        from litestar.exceptions import PermissionDeniedException\n"
        "        raise PermissionDeniedException\n"
        "    if not log:\n",
        caught_by=(f"{_DOORS}::test_a_user_sees_nothing_of_another",),
    ),
    Bug(
        name="socket-without-user",
        says="Whoever knows an order's id may listen to it.",
        breaks="I19",
        file=_HUB,
        old="if socket.identity is None or feed.user != socket.identity.user:",
        new="if socket.identity is None:",
        caught_by=(f"{_DOORS}::test_a_user_hears_nothing_of_another",),
    ),
    Bug(
        name="socket-from-seq-exclusive",
        says="A socket that resumes at n begins with n + 1.",
        breaks="I17",
        file=_HUB,
        old="return self._open(socket, feed, max(int(wanted), 1))",
        new="return self._open(socket, feed, int(wanted) + 1)",
        caught_by=("tests/service/test_app.py::test_a_late_socket_gets_the_rest",),
    ),
    Bug(
        name="sockets-open-at-the-end",
        says="A process that ends refuses new sockets and leaves the open ones to their fate.",
        breaks="I27",
        file=_HUB,
        old="        await self._each(EventSocket.shutdown)\n",
        new="",
        caught_by=(f"{_SOCKETS}::test_hundreds_hear_all_and_are_told_when_the_service_stops",),
    ),
    Bug(
        name="slow-reader-unbounded",
        says="What a slow reader has not read yet is kept for it, however much that is.",
        breaks="I18",
        file="orderengine/service/sockets/feed.py",
        old="        self._forget_before(end - self._count_max)\n",
        new="",
        caught_by=(
            "tests/service/sockets/test_live_log.py::test_who_falls_too_far_behind_is_dropped",
        ),
    ),
    Bug(
        name="forged-address-counts",
        says="X-Forwarded-For is read though no proxy of ours stands in front.",
        breaks="rate limits, I25",
        file="orderengine/service/access/addresses.py",
        old="    if trusted_hops:\n        for entry in _entries(headers, trusted_hops):",
        new="    if True:\n        for entry in _entries(headers, trusted_hops or 1):",
        caught_by=("tests/service/access/test_addresses.py::test_no_header_changes_the_address",),
    ),
    Bug(
        name="amount-by-way-of-a-float",
        says="The amount of a request goes through a float.",
        breaks="I9",
        file="orderengine/service/web/views.py",
        old="    return int(text)\n",
        new="    return int(float(text))\n",
        caught_by=("tests/service/web/test_amounts.py",),
    ),
    Bug(
        name="request-not-hashed",
        says="The hash of a request is left out, so other contents pass under its key.",
        breaks="I14",
        file="orderengine/service/web/execute.py",
        old="request_sha256=request_sha256(data)",
        new='request_sha256=""',
        caught_by=("tests/service/test_app.py::test_the_same_key_makes_one_order",),
    ),
    Bug(
        name="key-lost-at-the-limit",
        says="At the limit of open orders a repeated request is refused like a new one.",
        breaks="I14, I25",
        file="orderengine/service/access/admission.py",
        old="state = None if key is None else await self._engine.answered(key)",
        new="state = None",
        caught_by=(f"{_ADMISSION}::test_a_repeated_request_gets_its_answer_at_the_limit",),
    ),
    Bug(
        name="one-job-for-all-time",
        says="Each job gets the lane's name as its key, and the queue drops it as a duplicate.",
        breaks="I21",
        file="orderengine/service/queue/redis_queue.py",
        old="timeout=JOB_TIMEOUT_S,",
        new="key=lane.value, timeout=JOB_TIMEOUT_S,",
        caught_by=("tests/service/queue/test_redis_queue.py::test_every_id_comes_through",),
    ),
    Bug(
        name="retry-places-two-orders",
        says="An operator's second try gets a key of its own, and so an order of its own.",
        breaks="I14",
        file="orderengine/service/operations/orders.py",
        old='key=f"retry {order_id}",',
        new='key=f"retry {order_id} {now_ns}",',
        caught_by=(
            "tests/execution/machine/test_machine.py::test_the_engine_in_virtual_time",
            "tests/test_cli_operations.py::test_an_order_that_ended_without_a_fill_is_placed_once_more",
        ),
    ),
)
