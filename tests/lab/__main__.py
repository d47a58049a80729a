"""`python -m tests.lab up` builds the lab with its servers and leaves it standing; `down` removes it.

Between them: `ip netns exec reachprobe-standing-client COMMAND`, and for a plain client
`python -m tests.lab look URL ADDRESS`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

os.environ["REACHPROBE_LAB"] = "standing"  # before the names are made of it

from tests.lab import kernel
from tests.lab.standing import Lab, furnish

FOLDER = Path("/run/reachprobe-lab")


def main(words: list[str]) -> int:
    try:
        with kernel.take():
            if words == ["up"]:
                FOLDER.mkdir(exist_ok=True)
                furnish(FOLDER)
            elif words == ["down"]:
                kernel.down()
                shutil.rmtree(FOLDER, ignore_errors=True)
                kernel.LOCK.unlink(missing_ok=True)
            elif words[:1] == ["look"] and len(words) == 3:
                print(Lab(FOLDER).look(*words[1:]))
            else:
                print(__doc__, file=sys.stderr)
                return 2
    except kernel.LabError as error:
        print(f"no lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
