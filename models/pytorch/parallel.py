"""Several workers in PyTorch: the processes that torchrun starts. models/tensorflow/parallel.py is the twin.

Each worker computes its part of every batch, and all of them the same sums: gradients (DistributedDataParallel), the
moments of batch normalisation, and nothing else in a step. Dropout draws the mask of the whole batch everywhere. So the
numbers are those of one process, but for the order in which they are added.
"""

import os
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from digits.training import ALONE, SeveralWorkers, Workers
from digits.training.workers import share_of
from models.pytorch.layers import NORM_MOMENTUM, BatchNorm1d, BatchNorm2d


def join_workers(device: torch.device) -> Workers:
    """Return this process among those that train together: as torchrun's environment variables say, or it alone."""
    if not {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return ALONE
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT")
    number = None if restarts is None else int(restarts)
    return ParallelWorkers(device, number) if int(os.environ["WORLD_SIZE"]) > 1 else Workers(number)


class ParallelWorkers(SeveralWorkers):
    """This process among those that torchrun has started, by the environment variables that it sets."""

    def __init__(self, device: torch.device, restarts: int | None) -> None:
        """Wait for all workers, and connect with them."""
        place = {name: int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")}
        backend = "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(place["LOCAL_RANK"] % torch.cuda.device_count())
            # NCCL connects one process a GPU; several on one, as in a trial, go by gloo through the processor.
            backend += ",cuda:nccl" if place["LOCAL_WORLD_SIZE"] <= torch.cuda.device_count() else ",cuda:gloo"
            backend = f"cpu:{backend}"
        if not dist.is_initialized():
            # After a restart torchrun's store still has the addresses of the processes that died.
            store, rank, count = next(rendezvous("env://"))
            store = dist.PrefixStore(f"start-{restarts or 0}", store)
            dist.init_process_group(backend, store=store, rank=rank, world_size=count)
        super().__init__(place["RANK"], place["WORLD_SIZE"], restarts, alone_on_terminal=place["LOCAL_RANK"] == 0)

    def sum(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of all workers' arrays."""
        tensor = torch.from_numpy(array)
        dist.all_reduce(tensor)
        return tensor.numpy()

    def gather(self, values: Tensor, rows: NDArray[np.int64], total: int) -> Tensor:
        """Return all workers' `values`, (total, ...), of which this one's are those at `rows`."""
        return torch.from_numpy(self.place(values.cpu().numpy(), rows, total)).to(values.device)

    def parallel(self, model: nn.Module) -> nn.Module:
        """Return the model such that a step computes the gradient of the whole batch's loss in every worker.

        Its normalisations and dropouts are changed in place, those of the model itself.
        """
        for parent in list(model.modules()):
            for name, layer in parent.named_children():
                if isinstance(layer, BatchNorm1d | BatchNorm2d):
                    layer.normalise_together = self.normalise
                elif isinstance(layer, nn.Dropout):
                    setattr(parent, name, SharedDropout(layer.p, self))
        # The weights and statistics of all are equal at all times.
        return DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)

    def part(self, batch: Tensor) -> Tensor:
        """Return this worker's part of the batch; loss, normalisation and dropout are then of that batch."""
        self.total = len(batch)
        self.share = share_of(self.total, self.rank, self.count)
        self.held = len(range(self.share.start, self.share.stop))
        # A worker without images computes one that counts nowhere, so that it takes part in all sums.
        return batch[self.share] if self.held else batch[:1]

    def weighted(self, loss: Tensor) -> Tensor:
        """Return the mean loss of this worker's part, such that the workers' mean is that of the whole batch."""
        weighted: Tensor = loss * (self.held * self.count / self.total)
        return weighted

    def own(self, values: Tensor) -> Tensor:
        """Return the values, one an image of the part, of images that are this worker's own."""
        return values[: self.held]

    def normalise(self, layer: BatchNorm1d | BatchNorm2d, values: Tensor) -> Tensor:
        """Return the values normalised by the moments of the whole batch, as `layer` does in one process."""
        if self.total == 1 and values.ndim == 2:
            return layer.normalise_fixed(values)  # one image alone has no spread
        mean, variance, n = self._moments(self.own(values), layer)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        assert layer.num_batches_tracked is not None
        layer.num_batches_tracked += 1
        layer.running_mean.lerp_(mean, NORM_MOMENTUM)
        layer.running_var.lerp_(variance if layer.biased else variance * (n / max(n - 1, 1)), NORM_MOMENTUM)
        how = (mean, variance, n, layer.eps, self.held)
        normalised: Tensor = _Normalise.apply(values, layer.weight, layer.bias, *how)
        return normalised

    @torch.no_grad()
    def _moments(self, values: Tensor, layer: BatchNorm1d | BatchNorm2d) -> tuple[Tensor, Tensor, int]:
        """Return mean and variance, (C,), of the values of all workers, and how many values a channel has."""
        C = layer.num_features
        n = values.numel() // C
        ours = torch.zeros(2 * C + 1, dtype=layer.weight.dtype, device=values.device)
        if n:
            ours = torch.cat([*_moments_of(values, ours.dtype), ours.new_full((1,), n)])
        all_ours = [torch.empty_like(ours) for _ in range(self.count)]
        dist.all_gather(all_ours, ours)
        # Chan, Golub and LeVeque (1983), 'Algorithms for computing the sample variance': no large numbers cancel out.
        means, variances, counts = torch.stack(all_ours).split([C, C, 1], dim=1)
        shares = counts / counts.sum()
        mean = (shares * means).sum(0)
        variance = (shares * (variances + (means - mean) ** 2)).sum(0)
        return mean, variance, int(counts.sum())


def _moments_of(values: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each channel, (C,), of this worker's values."""
    if values.device.type == "cpu":
        # The same numbers as var_mean's, by the loop that batch normalisation has for it: 0.4 instead of 8 ms for
        # (64, 32, 28, 28). Its two running statistics are of no use here.
        unused = torch.zeros(2, values.shape[1], dtype=dtype)
        mean, variance = torch.batch_norm_update_stats(values, unused[0], unused[1], momentum=0.0)
    else:
        axes = [axis for axis in range(values.ndim) if axis != 1]
        variance, mean = torch.var_mean(values.to(dtype), axes, correction=0)
    return mean, variance


class SharedDropout(nn.Dropout):
    """Dropout whose mask is this worker's part of the one that a single process would draw."""

    def __init__(self, p: float, workers: ParallelWorkers) -> None:
        super().__init__(p)
        self.workers = workers

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return values
        workers = self.workers
        # In the layout of the values, because that is the order in which random numbers are taken.
        layout = sorted(range(values.ndim), key=values.stride, reverse=True)
        ones = torch.empty_permuted(
            (workers.total, *values.shape[1:]), layout, dtype=values.dtype, device=values.device
        ).fill_(1)
        mask = F.dropout(ones, self.p)
        return values * (mask[workers.share] if workers.held else mask[:1])


class _Normalise(torch.autograd.Function):
    """Batch normalisation by given moments, whose gradient knows that they come from the values of all workers."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        n: int,
        epsilon: float,
        held: int,
    ) -> Tensor:
        ctx.save_for_backward(values, weight, mean, variance)
        ctx.n, ctx.epsilon, ctx.held = n, epsilon, held
        return F.batch_norm(values, mean, variance, weight, bias, training=False, eps=epsilon)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        values, weight, mean, variance = ctx.saved_tensors
        # What PyTorch computes for fixed moments: the values' gradient, and the sums over this worker's images.
        by_values, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, values, weight, mean, variance, None, None, False, ctx.epsilon, [True, True, True]
        )
        sums = torch.cat([by_weight, by_bias])
        dist.all_reduce(sums)
        # Ioffe and Szegedy (2015): the moments' own gradients take these two means away, as scaled by the layer.
        deviation = (variance + ctx.epsilon).sqrt()
        slope, offset = (weight / deviation * part / ctx.n for part in sums.chunk(2))
        shape = (1, -1, *[1] * (values.ndim - 2))
        slope = slope / deviation
        change = torch.addcmul((offset - mean * slope).view(shape), values, slope.view(shape))
        by_values = by_values - change.to(by_values.dtype)
        by_values[ctx.held :] = 0  # an image that counts nowhere
        return by_values, by_weight, by_bias, None, None, None, None, None
