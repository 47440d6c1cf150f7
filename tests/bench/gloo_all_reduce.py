"""The peer for the all-reduce bench: torch.distributed's gloo back end over loopback.

usage: gloo_all_reduce.py WORLD_SIZE ROUNDS BYTES...   prints one JSON object {"torch": version, "seconds": {bytes: [round, ...]}}
A round is timed on rank 0 from a barrier to the end of all_reduce on every rank; two rounds warm up and are not counted.
"""

import json
import os
import socket
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def work(rank, world_size, rounds, sizes, port, report):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=world_size)
    seconds = {}
    for size in sizes:
        vector = torch.ones(size // 4)
        times = []
        for _ in range(rounds + 2):
            vector.fill_(1.0)
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(vector)
            dist.barrier()
            times.append(time.perf_counter() - start)
        assert vector[0] == world_size and vector[-1] == world_size
        seconds[size] = times[2:]
    if rank == 0:
        report.put(seconds)
    dist.destroy_process_group()


def main():
    world_size, rounds, *sizes = (int(argument) for argument in sys.argv[1:])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    report = context.SimpleQueue()
    workers = [context.Process(target=work, args=(rank, world_size, rounds, sizes, port, report)) for rank in range(world_size)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode != 0 for worker in workers):
        sys.exit(1)
    print(json.dumps({"torch": torch.__version__, "seconds": report.get()}))


if __name__ == "__main__":
    main()
