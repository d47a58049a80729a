"""Published fingerprints against pages of 64 KiB: how long one page takes, beside a loop over compiled regexps.

    python tests/bench/bench_fingerprints.py [--prints 2000]

Prints and pages are made up, of the published lists' shape: links, titles, sentences in Cyrillic, bare words, a few
regular expressions. The hostile pages hold what the patterns begin with, or all of their words.
"""

from __future__ import annotations

import argparse
import random
import re
import string
import time
from collections.abc import Callable

from probe.model import Http
from results.fingerprints import SEARCHED_BYTES
from results.fingerprints.fingerprint import Fingerprint, checked
from results.fingerprints.library import Library

DICE = random.Random(1)
REPEATS = 5


def word() -> str:
    return "".join(DICE.choices(string.ascii_lowercase, k=DICE.randint(3, 10)))


def pattern(number: int) -> Fingerprint:
    """Print `number`: every twentieth a regexp, the others of four kinds in turn."""
    kinds = (
        f"http://block.{word()}.ru/{word()}.html",
        f"<title>{word()} {word()} {word()}</title>",
        f"Доступ {word()} ограничен {word()}",
        word() + word(),
    )
    text, how = (f"<h1>{word()}.*{word()}</h1>", "regexp") if number % 20 == 0 else (kinds[number % 4], "contains")
    return checked(Fingerprint(name=f"x.{number}", scope="isp", where="body", how=how, pattern=text))  # type: ignore[arg-type]


def pages(prints: list[Fingerprint]) -> dict[str, bytes]:
    """Pages by name, each cut to what is looked at."""
    made = {
        "links": "".join(f"<div><a href='http://{word()}.ru/'>{word()}</a></div>\n" for _ in range(3_000)),
        "random words": " ".join(word() for _ in range(20_000)),
        "Cyrillic": "Доступ ограничен " * 5_000,
        "hostile: one beginning": "<h1>" * 20_000,
        "hostile: every word": " ".join(part for one in prints for part in re.findall(r"\w+", one.pattern)) * 2,
    }
    return {name: text.encode()[:SEARCHED_BYTES] for name, text in made.items()}


def fastest(work: Callable[[], object]) -> float:
    """Milliseconds."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took) * 1000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--prints", type=int, default=2_000)
    prints = [pattern(number) for number in range(options.parse_args().prints)]
    library = Library(tuple(prints))
    plain = [re.compile(one.pattern if one.how == "regexp" else re.escape(one.pattern), re.DOTALL) for one in prints]
    print(f"{len(prints)} prints\n{'page':24} {'library':>10} {'re loop':>10}")
    for name, body in pages(prints).items():
        page = Http(url="http://a.example/", status=200, body=body, length=len(body))
        text = body.decode("utf-8", "replace")
        ours = fastest(lambda page=page: library.match(page, "RU"))  # type: ignore[misc]
        loop = fastest(lambda text=text: [one for one in plain if one.search(text)])  # type: ignore[misc]
        print(f"{name:24} {ours:7.1f} ms {loop:7.1f} ms")


if __name__ == "__main__":
    main()
