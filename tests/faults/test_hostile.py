"""Servers that want to hurt, met by the whole program: a row for each, and nothing of theirs reaches the terminal."""

from __future__ import annotations

import unicodedata

import pytest

from schedules.demo import sites
from schedules.demo.sites import Responder, answers, response
from tests.faults.whole import kept
from tests.lab import site_answers
from tests.schedules.lab import Lab, rows

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
HOSTILE: dict[str, Responder] = {
    "headers-without-end": site_answers.endless_headers,
    "body-without-end": site_answers.endless_body,
    "gzip-bomb": site_answers.gzip_bomb(64),
    "header-of-a-megabyte": answers(response(200, b"", X_Long="x" * 1_000_000)),
    "redirect-loop": site_answers.redirect("/"),
    "redirect-to-an-escape": answers(b"HTTP/1.1 302 Found\r\nLocation: /\xff\xfe\x1b[2J\r\n\r\n"),
    "invalid-utf-8": answers(response(403, b"<title>\xff\xfe\xc3\x28\x1b[31m</title>" + ESCAPE.encode())),
    "escape-in-the-title": answers(response(451, sites.html(ESCAPE), Server="x")),
    "no-http": site_answers.not_http,
    "a-reset": site_answers.resets,
}


def harmless(text: str) -> bool:
    """No control character but the line feed, and none that turns the direction of writing."""
    return not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs")]


async def test_every_hostile_server_has_its_row_and_the_terminal_no_control_character(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab.folder / "c.toml").write_text((lab.folder / "c.toml").read_text().replace("timeout_s = 5", "timeout_s = 1"))
    made = [lab.net.add_site(f"{name}.x.test", responder) for name, responder in HOSTILE.items()]
    context = lab.net.authority.context("\x1b]0;owned\x07\x1b[2J<script>")
    made.append(lab.net.add_site("hostile-certificate.x.test", tls=context))
    assert await lab.call("check", *(site.url for site in made), "--json") == 0
    captured = capsys.readouterr()
    found = rows(captured.out)
    assert sorted(row["target"] for row in found) == sorted(site.url for site in made)
    assert harmless(captured.out)
    assert harmless(captured.err)
    assert {row["measurement_id"] for row in found} <= kept(lab.db)
    for row in found:
        assert await lab.call("results", "show", row["measurement_id"]) == 0
    assert await lab.call("results", "list") == 0
    assert harmless(capsys.readouterr().out)
    assert await lab.call("check", *(site.url for site in made)) == 0
    captured = capsys.readouterr()
    assert harmless(captured.out)
    assert harmless(captured.err)
