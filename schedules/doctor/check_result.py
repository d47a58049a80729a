"""One line of `doctor`: what was looked at, how it is, and for what is wrong the way out."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["fine", "worth knowing", "wrong"]
BAD_SETUP, NO_NETWORK = 2, 69


class Finding(msgspec.Struct, frozen=True):
    """One check. `exit_code` is what the command should leave with because of it."""

    about: str
    state: State
    says: str
    exit_code: int = 0
