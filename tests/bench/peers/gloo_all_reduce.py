"""The peer of the all-reduce: torch.distributed's gloo over loopback, on vectors filled with random numbers.

usage: gloo_all_reduce.py WORLD_SIZE BYTES
Prints {"torch"} when all ranks are connected, and then answers each line {"rounds"} of standard input with {"seconds": [round, ...]}: of rank
0, from a barrier to the end of all_reduce. Every rank has one thread, and the vector is filled anew before each round, outside its time.
"""

import json
import os
import socket
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def work(rank, world_size, size, port, questions, answers):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=world_size)
    torch.manual_seed(rank)
    filling = torch.randn(size // 4)
    vector = torch.empty(size // 4)
    dist.barrier()
    answers.put(None)
    while (rounds := questions.get()) > 0:
        seconds = []
        for _ in range(rounds):
            vector.copy_(filling)
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(vector)
            seconds.append(time.perf_counter() - start)
        answers.put(seconds if rank == 0 else None)
    dist.destroy_process_group()


def main():
    world_size, size = (int(argument) for argument in sys.argv[1:])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    answers = context.SimpleQueue()
    questions = [context.SimpleQueue() for _ in range(world_size)]
    workers = [context.Process(target=work, args=(rank, world_size, size, port, questions[rank], answers), daemon=True) for rank in range(world_size)]
    for worker in workers:
        worker.start()
    gathered = [answers.get() for _ in workers]
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        for each in questions:
            each.put(json.loads(line)["rounds"])
        gathered = [answers.get() for _ in workers]
        print(json.dumps({"seconds": next(each for each in gathered if each is not None)}), flush=True)
    for each in questions:
        each.put(0)
    for worker in workers:
        worker.join(10)


if __name__ == "__main__":
    main()
