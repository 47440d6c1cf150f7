"""Times one training step (forward and backward) of PyTorch on one thread, on the weights and inputs of tests/conformance.

Prints one line of JSON: {"torch": version, "tiny": {"batch", "loss", "medianMs", "runs"}, "vitB": {...}}; `--serve` instead waits for
lines `tiny` or `vitB` on standard input and answers each with {"ms", "cpuMs", "loss"} of one step, so that a bench can take turns
with it on a machine that is not quiet.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "conformance"))
from reference import TINY, VIT_B, Config, Reference, inputs  # noqa: E402

CASES = {"tiny": (TINY, 64, 15), "vitB": (VIT_B, 4, 7)}


def step_of(config: Config, batch: int):
    model = Reference(config, torch.float32, norm_pix=True)
    images, ids_shuffle = inputs(config, batch, torch.float32)

    def step() -> dict[str, float]:
        for parameter in model.parameters.values():
            parameter.grad = None
        start, start_cpu = time.perf_counter(), time.process_time()
        loss = model.forward(images, ids_shuffle)[0].mean()
        loss.backward()
        taken, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        return {"ms": 1e3 * taken, "cpuMs": 1e3 * cpu, "loss": loss.item()}

    return step


def serve() -> None:
    steps = {}
    for line in sys.stdin:
        case = line.strip()
        if case not in steps:
            config, batch, _ = CASES[case]
            steps[case] = step_of(config, batch)
            steps[case]()
        print(json.dumps(steps[case]()), flush=True)


def measure() -> None:
    report: dict[str, object] = {"torch": torch.__version__}
    for case, (config, batch, runs) in CASES.items():
        step = step_of(config, batch)
        step()
        taken = [step() for _ in range(runs)]
        median = statistics.median(one["ms"] for one in taken)
        report[case] = {"batch": batch, "loss": taken[0]["loss"], "medianMs": median, "runs": runs}
    print(json.dumps(report))


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve() if "--serve" in sys.argv else measure()
