"""How names, URLs and addresses are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.registers import names

texts = st.one_of(
    st.text(max_size=60), st.from_regex(r"([A-Za-z0-9а-я_-]{1,12}\.){0,4}[A-Za-zа-я]{2,8}\.?", fullmatch=True)
)
urls = st.builds(
    lambda scheme, host, path: f"{scheme}://{host}{path}",
    st.sampled_from(["http", "HTTPS", "newcamd525", "http:"]),
    st.from_regex(r"([A-Za-z0-9а-я-]{1,8}\.){1,3}[a-zа-я]{2,5}(:[0-9]{1,5})?", fullmatch=True),
    st.text(max_size=40).map(lambda text: "/" + text),
)


@given(texts)
def test_a_name_made_comparable_stays_as_it_is(text: str):
    try:
        once = names.name(text)
    except names.BadName:
        return
    assert names.name(once) == once
    assert once == once.lower()
    assert once.isascii()
    assert len(once) <= 253
    assert not any(char in once for char in " /\\:*?#@,\0")


@given(urls)
def test_a_url_made_comparable_stays_as_it_is(text: str):
    try:
        once = names.url(text)
    except names.BadName:
        return
    assert names.url(once.key).key == once.key
    assert once.key.isascii()
    assert once.key.isprintable()
    assert " " not in once.key
    assert "#" not in once.key
    assert once.text.isprintable()
    assert names.url(once.text).key == once.key


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_no_name(text: str):
    for read in (names.name, names.url, names.lookup_key):
        try:
            read(text)
        except names.BadName:
            continue


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("http://EvroBox.net/A", "http://evrobox.net/A"),
        ("http://a.com", "http://a.com/"),
        ("HTTP://a.com:80/", "http://a.com/"),
        ("https://a.com:443", "https://a.com/"),
        ("https://a.com:8001/x", "https://a.com:8001/x"),
        ("https://x.com//", "https://x.com//"),
        ("http://a.com/x#head_1", "http://a.com/x"),
        ("http:/\\a.com\\x", "http://a.com/x"),
        ("http://a.com/%7euser/%d0%b0", "http://a.com/~user/%D0%B0"),
        ("http://a.com/а б", "http://a.com/%D0%B0%20%D0%B1"),
        ("http://a.com?x=1", "http://a.com/?x=1"),
        ("http://user:word@a.com/", "http://a.com/"),
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("https://www.фавбет.бел/ru/", "https://www.xn--80accn9dh.xn--90ais/ru/"),
    ],
)
def test_urls_are_compared_by_one_spelling(written: str, key: str):
    assert names.url(written).key == key


@pytest.mark.parametrize("text", ["http://a.com:99999/", "a.com/x", "http://", "http://a..b/", ""])
def test_what_is_no_url(text: str):
    with pytest.raises(names.BadName):
        names.url(text)


@pytest.mark.parametrize(
    ("target", "host", "url"),
    [
        ("https://www.WeChat.com/", "www.wechat.com", None),
        ("http://a.com", "a.com", "http://a.com/"),
        ("a.com", "a.com", None),
        ("a.com:443", "a.com", None),
        ("a.com/x", "a.com", "http://a.com/x"),
        ("tls://long.weixin.qq.com:443", "long.weixin.qq.com", None),
        ("*.a.com", "a.com", None),
        ("1.2.3.4", "1.2.3.4", None),
        ("1.2.3.4:80", "1.2.3.4", None),
        ("[2001:db8::1]:443", "2001:db8::1", None),
        ("2001:DB8:0::1", "2001:db8::1", None),
        ("::ffff:1.2.3.4", "1.2.3.4", None),
    ],
)
def test_what_a_target_is_to_a_register(target: str, host: str, url: str | None):
    found = names.lookup_key(target)
    assert (found.host, found.url) == (host, url)


@pytest.mark.parametrize(
    "text", ["", " ", "wechat", "http://wechat/", "a b!.com", "http://", "a.com:x", "http://x.ru/\udcff"]
)
def test_what_is_no_target(text: str):
    with pytest.raises(names.BadName):
        names.lookup_key(text)


@given(st.ip_addresses())
def test_every_address_is_read_as_it_is_written(address: object):
    packed = names.address(str(address))
    assert packed is not None
    assert names.address(names.address_text(packed)) == packed


@given(st.binary(min_size=4, max_size=4), st.integers(0, 32))
def test_a_subnet_holds_the_address_it_was_made_of(packed: bytes, prefix: int):
    net = names.subnet(f"{names.address_text(packed)}/{prefix}")
    assert net is not None
    assert net.packed == names.network(packed, prefix)
    assert names.subnet(names.subnet_text(net)) == net


@pytest.mark.parametrize(
    "text", ["1.2.3", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/²", "01.2.3.4.5", "x", "::/129", "1.2.3.4/"]
)
def test_what_is_no_subnet(text: str):
    assert names.subnet(text) is None
