"""Show the values of failed assertions in the modules that tests share."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.execution.fakes", "tests.execution.store_contract")
