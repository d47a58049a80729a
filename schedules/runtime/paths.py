"""Where the program's files are: state folder, database, configuration; and atomic writing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from probe.temporary_files import unfinished

NAME = "reachprobe"


def state_folder(environ: Mapping[str, str]) -> Path:
    """The first folder of $STATE_DIRECTORY, which systemd sets, else the user's state folder."""
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
    """The database of `demo` where --db names none."""
    return state_folder(environ) / "demo.db"


def config_file(environ: Mapping[str, str], flag: Path | None) -> Path | None:
    """The configuration: --config, else REACHPROBE_CONFIG, else the user's own if it exists, else None."""
    given = flag or environ.get("REACHPROBE_CONFIG")
    if given:
        return Path(given)
    usual = usual_config_file()
    return usual if usual.exists() else None


def usual_config_file() -> Path:
    """The user's configuration file, which `init` writes."""
    import platformdirs

    return platformdirs.user_config_path(NAME, appauthor=False) / "config.toml"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a temporary file and rename it to `path`; a pipe or device is written directly. Raises OSError."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    written = unfinished(path)
    try:
        with written.open("xb") as out:
            out.write(content)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
