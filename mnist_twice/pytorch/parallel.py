"""Several workers in PyTorch: the processes that torchrun starts. mnist_twice/tensorflow/parallel.py is the twin.

Each worker computes the logits of its part of every batch and is told those of the others, so that all compute the loss
of the whole batch; DistributedDataParallel adds up the gradients. Batch normalisation and dropout see the part alone.
"""

import os
from typing import Any

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from mnist_twice.training import ALONE, SeveralWorkers, Workers
from mnist_twice.training.workers import check_alone, edges_of


def join_workers(device: torch.device) -> Workers:
    """Return this process among those that train together: as torchrun's environment variables say, or it alone."""
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        check_alone("torchrun")
        return ALONE
    # Launchers other than torchrun set these four alone; all workers are then taken to be on this machine.
    os.environ.setdefault("LOCAL_RANK", os.environ["RANK"])
    os.environ.setdefault("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"])
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT")
    number = None if restarts is None else int(restarts)
    return ParallelWorkers(device, number) if int(os.environ["WORLD_SIZE"]) > 1 else Workers(number)


class ParallelWorkers(SeveralWorkers):
    """This process among those that torchrun has started, by the environment variables that it sets."""

    def __init__(self, device: torch.device, restarts: int | None) -> None:
        """Wait for all workers, and connect with them."""
        backend = "gloo"
        if device.type == "cuda":
            gpus = torch.cuda.device_count()
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % gpus)
            # NCCL connects one process a GPU; several on one, as in a trial, go by gloo through the processor.
            backend = f"cpu:gloo,cuda:{'nccl' if int(os.environ['LOCAL_WORLD_SIZE']) <= gpus else 'gloo'}"
        # After a restart torchrun's store still has the addresses of the processes that died.
        store, rank, count = next(rendezvous("env://"))
        store = dist.PrefixStore(f"start-{restarts or 0}", store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=count)
        super().__init__(rank, count, restarts)

    def sum(self, array: NDArray[Any]) -> NDArray[Any]:
        tensor = torch.from_numpy(array)
        dist.all_reduce(tensor)
        return tensor.numpy()

    def parallel(self, model: nn.Module) -> nn.Module:
        return _InParts(model, self)


class _InParts(nn.Module):
    """A model of which each worker computes its part of a batch; it returns the logits of the whole batch."""

    def __init__(self, model: nn.Module, workers: ParallelWorkers) -> None:
        super().__init__()
        # Running statistics stay each worker's own: the first evaluates and saves the network.
        self.model = DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)
        self.workers = workers

    def forward(self, images: Tensor) -> Tensor:
        rank, count = self.workers.rank, self.workers.count
        start, stop = edges_of(len(images), rank, count)
        held = stop - start
        # A worker without images computes one that counts nowhere, so that it takes part in the sum of gradients.
        logits = self.model(images[start:stop] if held else images[:1])[:held]
        everyone = logits.new_zeros(len(images), logits.shape[1])
        everyone[start:stop] = logits.detach()
        dist.all_reduce(everyone)
        logits.register_hook(lambda gradient: gradient * count)  # the workers' gradients are averaged
        return torch.cat([everyone[:start], logits, everyone[stop:]])
