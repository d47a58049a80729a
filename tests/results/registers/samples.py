"""A small whole file of each register format."""

from __future__ import annotations

from results.registers import sample_path
from results.registers.formats import citizenlab

OURS = b"""{"reachprobe_register":1,"name":"x","country":"RU","updated":"2017-05-08T09:00:00Z"}
{"key":"1","block_type":"url","names":["a.com"],"urls":["https://a.com/x"],"resolved":["192.0.2.7"]}
{"key":"2","block_type":"ip","subnets":["192.0.2.0/24"],"listed_on":"2017-05-04"}
{"entries":2}
"""
"""One of our databases gives it to another."""
SAMPLES = {
    "reachprobe": OURS,
    "zapret-csv": 'Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4 | ::1;a.com;"https://a.com/x;y";суд;1;2016-01-01\n1.2.3.0/24;;;ФНС;1;2016-01-01\n'.encode(
        "cp1251"
    ),
    "rkn-xml": sample_path().read_bytes(),
    "uablacklist": b'{"vk.com": {"term": "14.05.2023", "reason": "x"}, "b.com": {"term": null}}',
    "plain": b"a.com\n0.0.0.0 b.com\n*.c.org\n1.2.3.0/24\n||d.com^\nhttp://x.com/y\n",
    "rpz": b"$ORIGIN rpz.\n@ SOA a. b. (1 2\n3 4 5)\na.com CNAME .\n*.b.com CNAME *.\n24.0.2.0.192.rpz-ip CNAME .\n",
    "citizenlab-official": f"{citizenlab.COLUMNS}\na.com,x,GMB,,2015-04-05,0.1,AAMS,AAMS,\n".encode(),
}
