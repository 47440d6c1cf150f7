"""Times one training step (forward and backward) of PyTorch on one thread, on the weights and inputs of tests/conformance.

Prints one line of JSON: {"torch": version, "tiny": {"batch", "loss", "medianMs", "runs"}, "vitB": {...}}; `--serve` instead waits for
lines `tiny` or `vitB` on standard input and answers each with the milliseconds of one step, so that a bench can take turns with it.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "conformance"))
from reference import TINY, VIT_B, Config, Reference, inputs  # noqa: E402

CASES = {"tiny": (TINY, 64, 15), "vitB": (VIT_B, 4, 7)}


def step_of(config: Config, batch: int):
    model = Reference(config, torch.float32, norm_pix=True)
    images, ids_shuffle = inputs(config, batch, torch.float32)

    def step() -> tuple[float, float]:
        for parameter in model.parameters.values():
            parameter.grad = None
        start = time.perf_counter()
        loss = model.forward(images, ids_shuffle)[0].mean()
        loss.backward()
        return 1e3 * (time.perf_counter() - start), loss.item()

    return step


def serve() -> None:
    steps = {}
    for line in sys.stdin:
        case = line.strip()
        if case not in steps:
            config, batch, _ = CASES[case]
            steps[case] = step_of(config, batch)
            steps[case]()
        print(steps[case]()[0], flush=True)


def measure() -> None:
    report: dict[str, object] = {"torch": torch.__version__}
    for case, (config, batch, runs) in CASES.items():
        step = step_of(config, batch)
        step()
        taken = [step() for _ in range(runs)]
        report[case] = {"batch": batch, "loss": taken[0][1], "medianMs": statistics.median(ms for ms, _ in taken), "runs": runs}
    print(json.dumps(report))


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve() if "--serve" in sys.argv else measure()
