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
    try:
        settings = Settings(root=Path.cwd()) if anywhere else load_settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"CASCADA_{'_'.join(str(part) for part in first['loc'])}".upper()
        raise ConfigError(f"{name}: {first['msg']}", got=repr(first["input"])) from error
    settings.home.mkdir(exist_ok=True)
    configure_logging(verbose=verbose)
    apply_environment(settings)
    return settings
