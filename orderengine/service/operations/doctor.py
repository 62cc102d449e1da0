"""Go through what a service needs in production, and say what to do where it is not so.

It works where things are down: each question has a deadline, and no answer is an answer. Nothing of
what is asked holds a secret, and no secret is ever said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from math import inf
from os.path import exists
from urllib.parse import unquote, urlsplit

import anyio
from msgspec.structs import replace

from orderengine.errors import InvalidData, OrderEngineError
from orderengine.service.operations.checkups.database import DATABASE_CHECKS
from orderengine.service.operations.checkups.finding import Finding, failed, fine, worth
from orderengine.service.operations.checkups.outside import OUTSIDE_CHECKS
from orderengine.service.operations.checkups.settings import SETTINGS_CHECKS
from orderengine.service.operations.logs import Redactor
from orderengine.service.settings import SETTINGS, Settings
from orderengine.storage.opening import open_database

__all__ = ["examine"]

_ANSWER_S_MAX = 3.0
_OPEN_S_MAX = 5.0
_STAND_INS = {
    "DATABASE_URL": Settings().database_url,
    "REDIS_URL": "redis://127.0.0.1",
    "ORDERENGINE_ORDER_MAX": "1SOL",
}
"""What is missing in production is stood in for, so that the rest can be looked at."""


async def examine(env: Mapping[str, str]) -> Sequence[Finding]:
    """Return what was found, in the order of the checklist."""
    settings, said = _settings(env)
    findings = [said, *(check(settings) for check in SETTINGS_CHECKS)]
    findings += await _of_database(settings)
    findings += [await _asked(name, ask(settings)) for name, ask in OUTSIDE_CHECKS.items()]
    redactor = Redactor(settings.secrets())
    return [finding.cleaned(redactor.clean) for finding in findings]


def _settings(env: Mapping[str, str]) -> tuple[Settings, Finding]:
    """Return what of the environment can be used in production, and what cannot."""
    given, errors = {**env, "ORDERENGINE_ENV": "production"}, dict[str, InvalidData]()
    settings, missing = Settings(), set[str]()
    for _ in range(2 * len(SETTINGS) + len(given)):
        try:
            settings = Settings.from_env(given)
            break
        except InvalidData as error:
            errors.setdefault(error.source, error)
            if given.pop(error.source, None) is None:
                missing.add(error.source)
                given[error.source] = _STAND_INS.get(error.source, "")
    unset = {s.field: getattr(Settings(), s.field) for s in SETTINGS if s.variable in missing}
    settings = replace(settings, **unset)
    if "DATABASE_URL" in errors and env.get("DATABASE_URL"):
        settings = replace(settings, database_url="")
    if errors:
        said = "; ".join(map(str, errors.values()))
        return settings, failed("settings", said, f"set {', '.join(errors)}")
    if env.get("ORDERENGINE_ENV") != "production":
        said = "valid, but unsafe defaults are allowed"
        return settings, worth("settings", said, "set ORDERENGINE_ENV=production")
    return settings, fine("settings", "valid in production")


def _has_no_file(url: str) -> bool:
    """Return whether an SQLite file is meant that is not there."""
    return url.startswith("sqlite:") and not exists(unquote(urlsplit(url).path[1:]))


async def _of_database(settings: Settings) -> list[Finding]:
    """Return what the database says, or why it cannot be asked."""
    if not settings.database_url:
        return _not_known("its address cannot be used", "mend DATABASE_URL")
    if _has_no_file(settings.database_url):
        said = "there is no such file, and serve would begin with an empty one"
        return _not_known(said, "name the database in DATABASE_URL")
    try:
        with anyio.fail_after(_OPEN_S_MAX) as opening:
            async with open_database(settings.database_url) as database:
                opening.deadline = inf
                findings = [fine("database", f"{database.description} answers")]
                for name, check in DATABASE_CHECKS.items():
                    findings.append(await _asked(name, check(database, settings)))
                return findings
    except (OrderEngineError, OSError) as error:
        said = str(error) or f"no answer within {_OPEN_S_MAX:g} s"
        is_old = isinstance(error, InvalidData) and "db upgrade" in error.expected
        look = "look at DATABASE_URL, and at the server that it names"
        return _not_known(said, "run orderengine db upgrade" if is_old else look)


def _not_known(said: str, do: str) -> list[Finding]:
    rest = [worth(name, "not known: the database cannot be asked") for name in DATABASE_CHECKS]
    return [failed("database", said, do), *rest]


async def _asked(name: str, answer: Awaitable[Finding]) -> Finding:
    try:
        with anyio.fail_after(_ANSWER_S_MAX):
            return await answer
    except TimeoutError:
        return failed(name, f"no answer within {_ANSWER_S_MAX:g} s", "see whether it is overloaded")
    except (OrderEngineError, OSError) as error:
        return failed(name, str(error), "see whether it can be reached from here")
