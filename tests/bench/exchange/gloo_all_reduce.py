"""The peer for the all-reduce bench: torch.distributed's gloo back end over loopback.

usage: gloo_all_reduce.py WORLD_SIZE WARMUP ROUNDS BYTES
Prints one JSON object {"torch": version, "seconds": [round, ...], "cpuSeconds": of rank 0, a round}. A round is timed on rank 0
from a barrier to the end of all_reduce; the processor time is that of the rounds alone, all threads.
"""

import json
import os
import socket
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def work(rank, world_size, warmup, rounds, size, port, report):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=world_size)
    vector = torch.ones(size // 4)
    times = []
    cpu = 0.0
    for _ in range(warmup + rounds):
        vector.fill_(1.0)
        dist.barrier()
        start, cpu_start = time.perf_counter(), time.process_time()
        dist.all_reduce(vector)
        times.append(time.perf_counter() - start)
        cpu += (time.process_time() - cpu_start) if len(times) > warmup else 0.0
    assert vector[0] == world_size and vector[-1] == world_size
    if rank == 0:
        report.put({"torch": torch.__version__, "seconds": times[warmup:], "cpuSeconds": cpu / rounds})
    dist.destroy_process_group()


def main():
    world_size, warmup, rounds, size = (int(argument) for argument in sys.argv[1:])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    report = context.SimpleQueue()
    workers = [context.Process(target=work, args=(rank, world_size, warmup, rounds, size, port, report)) for rank in range(world_size)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode != 0 for worker in workers):
        sys.exit(1)
    print(json.dumps(report.get()))


if __name__ == "__main__":
    main()
