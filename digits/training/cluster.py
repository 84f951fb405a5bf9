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
        cluster, kind, index = config["cluster"], config["task"]["type"], int(config["task"]["index"])
        chiefs, workers = (list(map(str, cluster.get(name, []))) for name in ("chief", "worker"))
        everyone = chiefs + workers
        ports = [int(address.rpartition(":")[2]) for address in everyone]
        rank = everyone.index({"chief": chiefs, "worker": workers}[kind][index])
        if index < 0 or cluster.keys() - {"chief", "worker"} or len(set(everyone)) < len(everyone) or min(ports) < 1:
            raise ValueError
    except (ValueError, TypeError, LookupError, AttributeError):
        raise UserError(
            "TF_CONFIG must list the address of each worker, all different, and say which of them this one is, counted "
            f"from 0; no parameter servers and evaluators. An example: {EXAMPLE}"
        ) from None
    return everyone, rank


def check_port(address: str) -> None:
    """Raise UserError where another process listens on the port that TF_CONFIG gives this one."""
    port = int(address.rpartition(":")[2])
    with socket.socket() as probe:
        if sys.platform != "win32":  # there it lets two programs share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was closed just now is free
        try:
            probe.bind(("", port))
        except (OSError, OverflowError) as error:
            raise UserError(
                f"port {port}, which TF_CONFIG gives this worker, cannot be used ({error}); choose another one in the "
                "TF_CONFIG of all workers."
            ) from None
