"""Write the table of the service's settings from the code's: ``python docs/make_settings.py``."""

from __future__ import annotations

from pathlib import Path

from orderengine.service.settings import SETTINGS

PAGE = Path(__file__).parent / "service" / "settings.md"

_HEAD = """# Settings of the service

Written from `orderengine/service/settings.py` by `docs/make_settings.py`.
All come from the environment, and `serve`, `work` and the operators' commands read the same.
A wrong value stops the start with exit code 2: the variable is named with what was expected, and what it was is never shown, for it may be a secret.
So does a variable that begins with `ORDERENGINE_` and that nothing reads: a limit that is misspelt limits nothing.

With `ORDERENGINE_ENV=production` nothing is left to chance: `DATABASE_URL`, `REDIS_URL` and `ORDERENGINE_ORDER_MAX` must be set, keys are needed, rate limits cannot be 0, and simulated failures cannot be on.

| variable | default | in production | must be | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page's text."""
    rows = [
        f"| `{setting.variable}` | {_code(setting.default)} | {_code(setting.in_production)} |"
        f" {setting.expected.replace('|', chr(92) + '|')} | {setting.meaning} |"
        for setting in SETTINGS
    ]
    return _HEAD + "\n".join(rows) + "\n"


def _code(value: str | None) -> str:
    return f"`{value}`" if value else ""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
