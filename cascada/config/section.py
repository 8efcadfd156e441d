"""What every section of a configuration file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a configuration file: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
