"""What every command does first."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from cascada.errors import ConfigError
from cascada.logs import configure_logging
from cascada.settings import Settings, apply_environment, load_settings


def enter(*, verbose: bool = False, anywhere: bool = False) -> Settings:
    """Read the settings and prepare this process: logging, quiet environment, imports of the project's own packages.

    Parameters
    ----------
    anywhere
        Whether the working folder stands for a project, and need be in no repository.
    """
    settings = read_settings(Path.cwd() if anywhere else None)
    settings.home.mkdir(exist_ok=True)
    configure_logging(verbose=verbose)
    apply_environment(settings)
    return settings


def read_settings(root: Path | None = None) -> Settings:
    """Read the settings of the project around the working folder, or of a root; a wrong variable is named."""
    try:
        return load_settings() if root is None else Settings(root=root)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"CASCADA_{'_'.join(str(part) for part in first['loc'])}".upper()
        raise ConfigError(f"{name}: {first['msg']}", got=repr(first["input"])) from error
