"""Check by schemathesis that the service answers as ``/openapi.json`` says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.serving import Serving

# As the description says.
pytestmark = pytest.mark.parametrize("auth", ["keys"], indirect=True, scope="package")
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "5"))
_RUN_S_MAX = 600
_CHECKS = (
    "not_a_server_error",
    "negative_data_rejection",
    "use_after_free",
    "ignored_auth",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ensure_resource_availability",
)
# Not asked for: ``positive_data_acceptance``. A schema cannot say that a token is not its own pair.


@pytest.mark.timeout(_RUN_S_MAX)
def test_answers_are_as_described(served: Serving, tmp_path: Path, key: str) -> None:
    """Wrong data is refused, nothing fails, and statuses, types, headers and bodies are named."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json"),
        *("--checks", ",".join(_CHECKS), "--max-examples", str(EXAMPLES), "--seed", "1"),
        *("--continue-on-failure", "--no-shrink", "--warnings", "off", "--no-color"),
        *("--header", f"Authorization: {key}"),
    ]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=_RUN_S_MAX,
        check=False,
    )
    assert "Tested:" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout
