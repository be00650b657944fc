"""What an operator may set for this executor. Knows nothing of the contract, so its tests run in any Python."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

SCHEMA = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "description": "Where in the workspace the text goes.", "default": "ECHO.md"},
        "ask": {"type": "boolean", "description": "Ask before writing.", "default": False},
        "pause_ms": {"type": "integer", "minimum": 0, "description": "How long the work takes.", "default": 0},
        "suspend_ms": {"type": "integer", "minimum": 0, "description": "Suspend once for so long.", "default": 0},
        "fail": {"type": "boolean", "description": "Fail at the end.", "default": False},
    },
}


class SettingsError(ValueError):
    """The settings make no sense. The text names the key."""


@dataclass(frozen=True)
class Settings:
    """The settings, with their defaults."""

    file: str = "ECHO.md"
    ask: bool = False
    pause_ms: int = 0
    suspend_ms: int = 0
    fail: bool = False

    @staticmethod
    def parse(text: str) -> Settings:
        """Reads a JSON object. Keys this version does not know are ignored, as the contract asks."""
        try:
            value: Any = json.loads(text or "{}")
        except ValueError as error:
            raise SettingsError(f"the settings are not JSON: {error}") from None
        if not isinstance(value, dict):
            raise SettingsError("the settings are not a JSON object")
        settings = Settings(**{f.name: _checked(f.name, value[f.name], f.default)
                               for f in fields(Settings) if f.name in value})
        if not _inside(settings.file):
            raise SettingsError(f"`file` has to be a path inside the workspace, not `{settings.file}`")
        return settings


def _checked(name: str, value: Any, default: Any) -> Any:
    # In Python a bool is an int, so the types are compared, not tested.
    if type(value) is not type(default):
        raise SettingsError(f"`{name}` has to be a {type(default).__name__}, not {json.dumps(value)}")
    if type(value) is int and value < 0:
        raise SettingsError(f"`{name}` has to be 0 or more, not {value}")
    return value


def _inside(path: str) -> bool:
    parts = path.split("/")
    return bool(path) and not path.startswith("/") and ".." not in parts and "\\" not in path
