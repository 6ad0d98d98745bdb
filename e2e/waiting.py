"""Waits for conditions, with a limit, and failures that name what was seen last."""

import time
from collections.abc import Callable


class Failure(Exception):
    """A scenario is not as it has to be."""


def until(what: str, condition: Callable[[], object], seconds: float = 120) -> object:
    """Waits until a condition returns something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = condition()
            seen = value
        except (OSError, LookupError, TypeError) as error:
            # The API server or an object is not there yet.
            value, seen = None, f"{type(error).__name__}: {error}"
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds:.0f} s: {what}; last seen: {seen}")
        time.sleep(0.1)


def until_equal(what: str, value: Callable[[], object], expected: object, seconds: float = 120) -> None:
    """Waits until a value is the expected one."""
    last = None

    def is_expected() -> bool:
        nonlocal last
        last = value()
        return last == expected

    try:
        until(what, is_expected, seconds)
    except Failure:
        raise Failure(f"not within {seconds:.0f} s: {what}\n  expected: {expected}\n  last seen: {last}") from None


def expect(what: str, value: object, expected: object) -> None:
    if value != expected:
        raise Failure(f"{what}\n  expected: {expected}\n  seen:     {value}")
