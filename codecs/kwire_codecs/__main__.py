"""Prints the source of codecs: `python -m kwire_codecs heartbeat 4 [request|response]`.

A codec that can't be read can't be reviewed: this is what runs for that API and version.
"""

from __future__ import annotations

import sys

from .apis import API_MODULES, api
from .emit_decoder import decoder_source
from .emit_encoder import encoder_source

USAGE = "usage: python -m kwire_codecs API [VERSION] [request|response]    (API: its key or name)"


def main(arguments: list[str]) -> int:
    """Print what the arguments ask for, and return the exit status."""
    if not 1 <= len(arguments) <= 3:
        print(USAGE, file=sys.stderr)
        return 2
    wanted = arguments[0].lower().replace("-", "_")
    found = [
        key for key, module in API_MODULES.items() if wanted in (str(key), module, module.replace("_", ""))
    ]
    if not found:
        print(
            f"no API is called {arguments[0]}; there are: {', '.join(API_MODULES.values())}", file=sys.stderr
        )
        return 2
    chosen = api(found[0])
    numbers = [argument for argument in arguments[1:] if argument.isdigit()]
    version = int(numbers[0]) if numbers else chosen.max_version
    if version not in chosen.versions:
        print(f"{chosen.name} has the versions {chosen.versions}, not {version}", file=sys.stderr)
        return 2
    for direction, struct in (("request", chosen.Request), ("response", chosen.Response)):
        if direction in arguments[1:] or not {"request", "response"} & set(arguments[1:]):
            print(f"# {chosen.name} {direction} v{version}\n")
            print(decoder_source(struct, version)[0])
            print(encoder_source(struct, version)[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
