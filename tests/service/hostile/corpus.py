"""Gather every hand-made hostile request, each under a name of its own."""

from __future__ import annotations

from itertools import chain

from tests.service.hostile.bodies import bodies
from tests.service.hostile.case import Case
from tests.service.hostile.header_fields import header_fields
from tests.service.hostile.parameters import parameters
from tests.service.hostile.request_lines import request_lines
from tests.service.hostile.sockets import frames, handshakes

__all__ = ["CORPUS"]

CORPUS: dict[str, Case] = {
    case.name: case
    for case in chain(
        request_lines(), header_fields(), bodies(), parameters(), handshakes(), frames()
    )
}
"""All of them by name."""
