"""Reading what a person writes for a target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model import Target
from probe.target import BadTarget, authority, parse


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("https://www.wechat.com/", "https", "www.wechat.com", 443, "/"),
        ("www.wechat.com", "https", "www.wechat.com", 443, "/"),
        ("www.wechat.com/download?x=1#top", "https", "www.wechat.com", 443, "/download?x=1"),
        ("example.com/?to=http://other.example/", "https", "example.com", 443, "/?to=http://other.example/"),
        ("HTTP://Example.COM./A", "http", "example.com", 80, "/A"),
        ("example.com:80", "http", "example.com", 80, "/"),
        ("example.com:443", "https", "example.com", 443, "/"),
        ("long.weixin.qq.com:8080", "tls", "long.weixin.qq.com", 8080, None),
        ("tls://long.weixin.qq.com", "tls", "long.weixin.qq.com", 443, None),
        ("tcp://chat.example:5222", "tcp", "chat.example", 5222, None),
        ("https://[2606:4700::1111]:8443/x", "https", "2606:4700::1111", 8443, "/x"),
        ("http://[2606:4700:0:0::1111]", "http", "2606:4700::1111", 80, "/"),
        ("https://9.9.9.9", "https", "9.9.9.9", 443, "/"),
        ("https://ПРИМЕР.рф/путь?q=да", "https", "xn--e1afmkfd.xn--p1ai", 443,
         "/%D0%BF%D1%83%D1%82%D1%8C?q=%D0%B4%D0%B0"),
        ("https://Straße.example/", "https", "xn--strae-oqa.example", 443, "/"),
        ("https://пример。рф/", "https", "xn--e1afmkfd.xn--p1ai", 443, "/"),
        ("http://a_b.example/%41%20", "http", "a_b.example", 80, "/%41%20"),
    ],
)  # fmt: skip
def test_a_target_is_read(text: str, scheme: str, host: str, port: int, path: str | None) -> None:
    target = parse(text)
    assert (target.scheme, target.host, target.port, target.request_path) == (scheme, host, port, path)
    assert target.text == text


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x" * 3000, "a b.example", "http://example.com/\x00", "http://example.com/\x1b[2J", "http://ex\nample.com",
        "ftp://example.com", "javascript://example.com", "file:///etc/passwd", "tcp://example.com", "example.com:0",
        "example.com:99999", "example.com:x", "http://", "https://-a.example/", "https://a..example/", "https://.example/",
        "https://" + "a" * 64 + ".example/", "https://" + "a." * 130 + "example/", "https://xn--a.example\udc80/",
        "https://[::1", "https://[v1.abc]/", "https://[example.com]/", "https://ex[ample.com/", "https://a\u200bb\u200b/",
        "https://127.1/", "https://0x7f000001/", "https://0177.0.0.01/", "https://1.2.3.4.5/", "https://256.1.1.1/",
        "https://example.0x7f/", "https://１２７.0.0.1/", "https://a%2eexample/", "https://exa%6dple.com/", "//",
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(text: str) -> None:
    with pytest.raises(BadTarget):
        parse(text)


@pytest.mark.parametrize(
    "text", ["https://user@example.com/", "https://user:secret@example.com/", "https://:@example.com/"]
)
def test_a_password_is_not_sent_in_the_open(text: str) -> None:
    with pytest.raises(BadTarget, match="sent unencrypted"):
        parse(text)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.1.1", "100.64.0.1", "[::1]", "[fe80::1]", "[fd00::1]",
             "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "0.0.0.0", "224.0.0.1", "255.255.255.255"],
)  # fmt: skip
def test_a_private_literal_is_refused_unless_it_is_allowed(host: str) -> None:
    with pytest.raises(BadTarget, match="allow_private"):
        parse(f"https://{host}/")
    assert parse(f"https://{host}/", allow_private=True).host


def test_the_message_names_the_target_and_holds_no_control_character() -> None:
    with pytest.raises(BadTarget) as raised:
        parse("http://exa\x1bmple.com/")
    assert "example" not in str(raised.value)
    assert "\x1b" not in str(raised.value)
    assert r"exa\x1bmple" in str(raised.value)


TARGETISH = st.text(st.sampled_from("aZ09.-_:/?#[]@%\\ ёßİ。１²\u200d\x00\udc80"), max_size=40)


@given(st.one_of(st.text(max_size=60), TARGETISH, TARGETISH.map("https://".__add__), TARGETISH.map("http://[".__add__)))
def test_anything_is_read_or_refused_with_one_word(text: str) -> None:
    try:
        target = parse(text, allow_private=True)
    except BadTarget:
        return
    assert target.host.isascii()
    assert target.host == target.host.lower()
    assert 0 < target.port < 65536
    assert target.request_path is None or (target.request_path.isascii() and target.request_path.startswith("/"))


def written(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{target.scheme}://{host}:{target.port}{target.request_path or ''}"


@given(st.one_of(TARGETISH, TARGETISH.map("https://пример.".__add__), TARGETISH.map("http://a.example/".__add__)))
def test_a_target_written_out_again_is_the_same_target(text: str) -> None:
    try:
        target = parse(text, allow_private=True)
    except BadTarget:
        return
    again = parse(written(target), allow_private=True)
    assert (again.scheme, again.host, again.port, again.request_path) == (
        target.scheme, target.host, target.port, target.request_path,
    )  # fmt: skip


def test_the_host_header_names_the_port_only_where_it_is_not_the_schemes_own() -> None:
    assert authority("https", "example.com", 443) == "example.com"
    assert authority("https", "example.com", 80) == "example.com:80"
    assert authority("http", "2001:db8::1", 80) == "[2001:db8::1]"


@given(st.characters())
def test_a_space_or_a_control_character_of_any_script_is_refused_in_a_target(character: str) -> None:
    text = f"https://example.com/{character}"
    if character.isspace() or not character.isprintable():
        with pytest.raises(BadTarget, match="cannot contain spaces or control characters"):
            parse(text)
    else:
        assert parse(text).text == text
