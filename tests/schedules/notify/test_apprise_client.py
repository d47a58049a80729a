"""Messages by apprise to a real server, and what is said where that fails: never a password."""

from __future__ import annotations

import sys

import pytest

from schedules.config.schema import Config, NotifyTable
from schedules.notify import apprise_client
from schedules.notify.apprise_client import Message, NotifyUrl, hosts, masked, problem_of, send
from tests.schedules.webhook import Webhook

HELLO = Message("reachprobe at home: 1 change", "- www.wechat.com is blocked")
SECRETS = ("hunter2secret", "tok3n")


def to(url: str) -> NotifyUrl:
    return NotifyUrl(name="me", url=url)


def test_a_webhook_is_told_title_and_body() -> None:
    with Webhook() as hook:
        assert send(to(hook.url), HELLO) is None
        (told,) = hook.told
    assert (told["title"], told["message"]) == (HELLO.title, HELLO.body)


def test_a_server_that_refuses_is_named_by_its_answer_and_no_secret_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with Webhook() as hook:
        hook.status = 403
        said = send(to(hook.url), HELLO)
    assert said is not None
    assert "403" in said
    assert not [secret for secret in SECRETS if secret in said]
    assert capsys.readouterr() == ("", "")


def test_a_server_that_is_gone_is_a_failure_and_no_secret_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with Webhook() as hook:
        url = hook.url
    said = send(to(url), HELLO)
    assert said
    assert not [secret for secret in SECRETS if secret in said]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("url", ["nosuch://tok3n", "json://", "tgram://tok3n", "mailto://hunter2secret"])
def test_a_url_that_no_service_takes_is_a_failure_that_repeats_nothing_of_it(url: str) -> None:
    for said in (send(to(url), HELLO), problem_of(to(url))):
        assert said is not None
        assert not [secret for secret in SECRETS if secret in said]


def test_without_apprise_that_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    apprise_client._apprise.cache_clear()
    try:
        assert send(to("json://127.0.0.1:9"), HELLO) == apprise_client.missing()
        assert "pip install 'reachprobe[notify]'" in apprise_client.missing()
        assert problem_of(to("json://127.0.0.1:9")) == apprise_client.missing()
        assert hosts(to("json://127.0.0.1:9")) == ()
    finally:
        apprise_client._apprise.cache_clear()


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("json://me:pw@127.0.0.1:8080/tok3n", (("127.0.0.1", 8080),)),
        ("tgram://123456789:abcdefghijklmnopqrstuvw/12345/", (("api.telegram.org", 443),)),
        ("mailtos://me:hunter2secret@gmail.com", (("smtp.gmail.com", 587),)),
        ("matrixs://me:hunter2secret@matrix.example/#room", (("matrix.example", None),)),
        ("discord://123456789012345678/abcdefghijklmnopqrstuvwxyz", (("discord.com", 443),)),
        ("nosuch://tok3n", ()),
    ],
)
def test_the_host_that_would_be_contacted_is_known_without_contacting_it(
    url: str, known: tuple[tuple[str, int | None], ...]
) -> None:
    assert hosts(to(url)) == known


def test_what_stands_in_the_url_is_masked_also_where_it_is_quoted() -> None:
    url = "json://me:p%40ssw0rd@h.example/abcd1234?+Key=value-of-it"
    said = masked("failed for p@ssw0rd and p%40ssw0rd at /abcd1234 with value-of-it\n\x1b[31m", url)
    assert said.startswith("failed for **** and **** at /**** with ****")
    assert "\x1b" not in said
    assert len(masked("x" * 5000, url)) <= apprise_client.MAX_REASON


def test_an_address_shows_no_url() -> None:
    assert "hunter2" not in repr(to("json://me:hunter2secret@h.example/"))


def test_each_url_of_a_receiver_is_told_on_its_own() -> None:
    config = Config(notify=(NotifyTable(name="me", urls=("json://a", "json://b")),))
    assert list(apprise_client.notify_urls(config)) == ["me", "me 2"]
