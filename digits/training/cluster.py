"""TF_CONFIG: the environment variable that says which workers a training in TensorFlow has, and which this one is."""

import json
import socket
import sys

from digits.errors import UserError

EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'


def read_cluster(text: str) -> tuple[list[str], int]:
    """Return the addresses (host:port) of the workers in TF_CONFIG, the chief first, and which of them this one is.

    UserError where it is something else.
    """
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        kind, index = task["type"], int(task["index"])
        addresses = {name: [str(address) for address in cluster[name]] for name in cluster}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"TF_CONFIG is not what TensorFlow's guides describe; it must be like {EXAMPLE}.") from None
    if others := sorted(addresses.keys() - {"chief", "worker"}):
        raise UserError(f"TF_CONFIG has tasks of the type {others[0]}; this training has workers only, like {EXAMPLE}.")
    if kind not in addresses or not 0 <= index < len(addresses[kind]):
        raise UserError(f"TF_CONFIG says that this is {kind} {index}, which is not in its cluster; number them from 0.")
    everyone = addresses.get("chief", []) + addresses.get("worker", [])
    for address in everyone:
        host, _, port = address.rpartition(":")
        if not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise UserError(f"TF_CONFIG has the address {address}; it must be a host and a port, as in host1:12345.")
    if len(set(everyone)) < len(everyone):
        raise UserError("TF_CONFIG gives two workers the same address; each must have a port of its own.")
    return everyone, index + (len(addresses.get("chief", [])) if kind == "worker" else 0)


def check_port(address: str) -> None:
    """Raise UserError where another process listens on the port that TF_CONFIG gives this one."""
    port = int(address.rpartition(":")[2])
    with socket.socket() as probe:
        if sys.platform != "win32":  # there it lets two programs share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was closed just now is free
        try:
            probe.bind(("", port))
        except OSError as error:
            raise UserError(
                f"port {port}, which TF_CONFIG gives this worker, cannot be used ({error.strerror}); choose another "
                "one in the TF_CONFIG of all workers."
            ) from None
