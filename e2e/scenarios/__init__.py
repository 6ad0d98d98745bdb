"""The scenarios, in the order in which they run. Each begins on a node without the plugin."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Scenario:
    name: str
    title: str
    run: Callable


# The names of files here. Each defines scenarios in the order of a reader.
FILES = ["deployment", "devices", "shortage", "configuration", "restarts", "migration", "observation"]
_registered: dict[str, Scenario] = {}


def scenario(run: Callable) -> Callable:
    """Registers a function by its name; its title is the first line of its documentation."""
    name = run.__name__.replace("_", "-")
    _registered[name] = Scenario(name, run.__doc__.splitlines()[0].rstrip("."), run)
    return run


def all_of_them() -> dict[str, Scenario]:
    for file in FILES:
        importlib.import_module(f"scenarios.{file}")
    return _registered
