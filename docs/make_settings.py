"""Write the table of the service's settings from the code's: ``python docs/make_settings.py``."""

from __future__ import annotations

from pathlib import Path

from orderengine.service.settings import SETTINGS

PAGE = Path(__file__).parent / "service" / "settings.md"

_HEAD = (
    "# Settings of the service\n\n"
    "Written from `orderengine/service/settings.py` by `docs/make_settings.py`.\n"
    "All come from the environment; `serve`, `work` and the operators' commands read the same.\n"
    "A wrong value stops the start with exit code 2: the variable is named with what was expected,"
    " and what it was is never shown, for it may be a secret.\n"
    "So does a variable that begins with `ORDERENGINE_` and that nothing reads: a limit that is"
    " misspelt limits nothing.\n\n"
    "With `ORDERENGINE_ENV=production` nothing is left to chance: `DATABASE_URL`, `REDIS_URL` and"
    " `ORDERENGINE_ORDER_MAX` must be set, keys are needed, rate limits cannot be 0, and simulated"
    " failures cannot be on.\n\n"
    "| variable | default | in production | must be | meaning |\n"
    "|---|---|---|---|---|\n"
)


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
