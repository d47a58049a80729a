"""What a user's own httpx program would be: one client, so many at once. Prints each status, or the error's name.

python -m tests.bench.plain_httpx CA_FILE TIMEOUT CONCURRENCY < "URL ADDRESS HOST" lines
"""

from __future__ import annotations

import asyncio
import ssl
import sys

import httpx


async def main(ca_file: str, timeout_s: float, concurrency: int) -> None:
    waiting = iter([line.split() for line in sys.stdin])
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=0)
    context = ssl.create_default_context(cafile=ca_file)
    async with httpx.AsyncClient(verify=context, timeout=timeout_s, trust_env=False, limits=limits) as client:

        async def work() -> None:
            for url, address, host in waiting:
                at, headers = httpx.URL(url).copy_with(host=address), {"Host": host}
                try:
                    answer = await client.get(at, headers=headers, extensions={"sni_hostname": host})
                    print(answer.status_code)
                except httpx.HTTPError as error:
                    print(type(error).__name__)

        await asyncio.gather(*(work() for _ in range(concurrency)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
