"""Times training steps of ViT-B/16 in PyTorch: `torch_peer.py DEVICE BATCH[,BATCH..] RUNS` prints one JSON object.

Forward, backward and AdamW (fused where it can be) on the weights and inputs of tests/conformance, in float32 with and without TF32 and
under bfloat16 autocast, eager and compiled.
"""

import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "conformance"))
from reference import VIT_B, Reference, inputs  # noqa: E402

PRECISIONS = {"float32": (False, False), "tf32": (True, False), "bf16": (True, True)}


def measure(device: str, batch: int, runs: int, precision: str, compiled: bool) -> dict[str, object]:
    tf32, autocast = PRECISIONS[precision]
    torch.backends.cuda.matmul.allow_tf32 = tf32
    model = Reference(VIT_B, torch.float32, norm_pix=True)
    parameters = {name: value.detach().to(device).requires_grad_(True) for name, value in model.parameters.items()}
    model.parameters = parameters
    for name, value in vars(model).items():
        if isinstance(value, torch.Tensor):
            setattr(model, name, value.to(device))
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05, fused=device == "cuda")
    images, ids_shuffle = (tensor.to(device) for tensor in inputs(VIT_B, batch, torch.float32))

    def loss_of() -> torch.Tensor:
        return model.forward(images, ids_shuffle)[0].mean()

    forward = torch.compile(loss_of) if compiled else loss_of
    taken = []
    for run in range(runs + 3):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.bfloat16) if autocast else contextlib.nullcontext():
            loss = forward()
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        if run >= 3:
            taken.append(time.perf_counter() - start)
    seconds = statistics.median(taken)
    return {"batch": batch, "precision": precision, "compiled": compiled, "stepMs": round(1e3 * seconds, 2), "imagesPerSecond": round(batch / seconds, 3)}


def main() -> None:
    device, batches, runs = sys.argv[1], [int(batch) for batch in sys.argv[2].split(",")], int(sys.argv[3])
    report = {"torch": torch.__version__, "device": torch.cuda.get_device_name() if device == "cuda" else device, "results": []}
    for batch in batches:
        for precision in PRECISIONS if device == "cuda" else ["float32"]:
            for compiled in (False, True) if device == "cuda" else (False,):
                try:
                    report["results"].append(measure(device, batch, runs, precision, compiled))
                except Exception as error:  # what one setting cannot do must not hide the others
                    report["results"].append({"batch": batch, "precision": precision, "compiled": compiled, "failed": str(error).splitlines()[:1]})
    print(json.dumps(report))


if __name__ == "__main__":
    main()
