"""Times training steps in PyTorch: `torch_peer.py DEVICE MODEL BATCH[,BATCH..] RUNS` prints a JSON object a line, as results come.

The first line says what runs; each other one is a batch in one precision, eager or compiled. A step sends the images to the device, goes
forward and backward, updates by AdamW (fused where it can be) and fetches the loss, as ours does; weights and inputs are those of
tests/conformance. On a CPU it has one thread, as ours.
"""

import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "conformance"))
from reference import NANO, TINY, VIT_B, Reference, inputs  # noqa: E402

MODELS = {"nano": NANO, "tiny": TINY, "vitB": VIT_B}
WARM_UP = 3
# By precision: whether float32 products may round to TF32, and whether autocast takes bfloat16.
PRECISIONS = {"float32": (False, False), "tf32": (True, False), "bf16 autocast": (True, True)}


def print_line(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)


class Peer:
    """The model on its device, made once; every measurement starts from its weights."""

    def __init__(self, device: str, model: str) -> None:
        self.device = device
        self.config = MODELS[model]
        self.model = Reference(self.config, torch.float32, norm_pix=True)
        self.weights = {name: value.detach().to(device) for name, value in self.model.parameters.items()}
        for name, value in list(vars(self.model).items()):
            if isinstance(value, torch.Tensor):
                setattr(self.model, name, value.to(device))

    def measure(self, batch: int, runs: int, precision: str, compiled: bool) -> dict[str, object]:
        tf32, autocast = PRECISIONS[precision]
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        is_cuda = self.device == "cuda"
        parameters = {name: value.clone().requires_grad_() for name, value in self.weights.items()}
        self.model.parameters = parameters
        optimizer = torch.optim.AdamW(parameters.values(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05, fused=is_cuda)
        host = [tensor.pin_memory() if is_cuda else tensor for tensor in inputs(self.config, batch, torch.float32)]

        def loss_of(images: torch.Tensor, ids_shuffle: torch.Tensor) -> torch.Tensor:
            return self.model.forward(images, ids_shuffle)[0].mean()

        torch.compiler.reset()
        forward = torch.compile(loss_of, dynamic=False) if compiled else loss_of
        taken = []
        loss_value = float("nan")
        if is_cuda:
            torch.cuda.reset_peak_memory_stats()
        for run in range(WARM_UP + runs):
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(self.device, dtype=torch.bfloat16) if autocast else contextlib.nullcontext():
                loss = forward(*[tensor.to(self.device, non_blocking=True) for tensor in host])
            loss.backward()
            optimizer.step()
            if is_cuda:
                torch.cuda.synchronize()
            value = loss.item()
            if run == 0:
                loss_value = value
            if run >= WARM_UP:
                taken.append(time.perf_counter() - start)
        seconds = statistics.median(taken)
        peak = {"peakMemoryBytes": torch.cuda.max_memory_allocated()} if is_cuda else {}
        return {"stepMs": round(1e3 * seconds, 2), "imagesPerSecond": round(batch / seconds, 3), "firstLoss": loss_value, **peak}


def main() -> None:
    device, model, batches, runs = sys.argv[1], sys.argv[2], [int(batch) for batch in sys.argv[3].split(",")], int(sys.argv[4])
    is_cuda = device == "cuda"
    if not is_cuda:
        torch.set_num_threads(1)
    name = torch.cuda.get_device_name() if is_cuda else device
    print_line({"torch": torch.__version__, "cuda": torch.version.cuda, "device": name, "model": model, "threads": torch.get_num_threads()})
    peer = Peer(device, model)
    for batch in batches:
        for precision in [name for name, (tf32, autocast) in PRECISIONS.items() if is_cuda or autocast or not tf32]:
            for compiled in (False, True):
                setting = {"batch": batch, "precision": precision, "compiled": compiled}
                try:
                    print_line({**setting, **peer.measure(batch, runs, precision, compiled)})
                except Exception as error:  # what one setting cannot do must not hide the others
                    lines = str(error).splitlines() or [""]
                    print_line({**setting, "failed": f"{type(error).__name__}: {lines[0]}"})
                if is_cuda:
                    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
