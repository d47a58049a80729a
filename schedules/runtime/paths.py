"""Where this machine keeps the program's things: the state folder, the database in it, the configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

NAME = "reachprobe"


def state_folder(environ: Mapping[str, str]) -> Path:
    """$STATE_DIRECTORY as systemd sets it (the first, where it names several), else the user's state folder."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    import platformdirs

    return platformdirs.user_state_path(NAME, appauthor=False)


def database(environ: Mapping[str, str], flag: Path | None) -> Path:
    """The database: --db, else REACHPROBE_DB, else in the state folder."""
    given = flag or environ.get("REACHPROBE_DB")
    return Path(given) if given else state_folder(environ) / f"{NAME}.db"


def demo_database(environ: Mapping[str, str]) -> Path:
    """Where `demo` keeps what it measured, unless it is told where."""
    return state_folder(environ) / "demo.db"


def config_file(environ: Mapping[str, str], flag: Path | None) -> Path | None:
    """The configuration: --config, else REACHPROBE_CONFIG, else the user's own where there is one, else None."""
    given = flag or environ.get("REACHPROBE_CONFIG")
    if given:
        return Path(given)
    usual = usual_config_file()
    return usual if usual.exists() else None


def usual_config_file() -> Path:
    """Where a user's configuration is looked for, and where `init` writes it."""
    import platformdirs

    return platformdirs.user_config_path(NAME, appauthor=False) / "config.toml"
