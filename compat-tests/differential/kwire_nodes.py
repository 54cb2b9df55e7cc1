"""Three nodes of kwire in this process: `kwire_nodes.py PROPERTIES_AS_JSON [DATA]`.

Prints the nodes' addresses as JSON. Each line of standard input is an order, `stop 2`, `crash 2` or
`start 2`; `done` follows on standard output. It ends with standard input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import trio

from kwire.config import BrokerConfig
from kwire.server.launch import Running, Settings, run_broker

RACKS = ("a", "b", "c")


async def main(properties: dict[str, str], data: str) -> None:
    racks = {f"node.{index}.broker.rack": rack for index, rack in enumerate(RACKS, 1)}
    settings = Settings(
        host="127.0.0.1",
        port=0,
        brokers=3,
        data=[Path(data)] if data else None,
        config=BrokerConfig({**properties, **racks}),
    )
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(run_broker, settings)
        print(json.dumps(list(running.addresses)), flush=True)
        rest = b""
        async with trio.lowlevel.FdStream(0) as orders:
            async for read in orders:
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    word, _, node_id = line.decode().partition(" ")
                    if word == "start":
                        await running.start_node(int(node_id))
                    else:
                        await running.stop_node(int(node_id), controlled=word == "stop")
                    print("done", flush=True)
        running.stop()


if __name__ == "__main__":
    trio.run(main, json.loads(sys.argv[1]), sys.argv[2])
