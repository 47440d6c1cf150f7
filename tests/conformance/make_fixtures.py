"""Writes the reference numbers of tests/conformance: `python tests/conformance/make_fixtures.py` (needs numpy and torch).

fixtures/tiny.safetensors and nano.safetensors: the tiny preset, and a smaller model of three channels, on three images in float64,
rounded to float32 once, with and without normalised targets:
  {norm,raw}.loss, .prediction, .mask, .features, and for every parameter its gradient: `.grad.NAME` whole when it has at most 4096
  elements, else 4096 elements of it, taken at i * 65537 mod size, with its sums over rows and over columns, which cover every
  element. max|gradient| of each tensor is in `.most`.
fixtures/recipe.json: learning rates of the paper's schedule, and the road of torch.optim.AdamW in float64.
"""

import json
import math
import struct
from pathlib import Path

import numpy as np
import torch

from reference import NANO, TINY, Config, Reference, hashed, inputs

FIXTURES = Path(__file__).parent / "fixtures"
BATCH = 3
SAMPLE = 4096
STRIDE = 65537  # prime to every size that occurs, so that no element is taken twice


def main() -> None:
    for name, config in (("tiny", TINY), ("nano", NANO)):
        tensors = model_tensors("norm", config, norm_pix=True) | model_tensors("raw", config, norm_pix=False)
        write_safetensors(FIXTURES / f"{name}.safetensors", tensors)
    recipe = {"learningRates": learning_rates(), "adamW": adam_w()}
    (FIXTURES / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")


def model_tensors(kind: str, config: Config, norm_pix: bool) -> dict[str, torch.Tensor]:
    model = Reference(config, torch.float64, norm_pix)
    images, ids_shuffle = inputs(config, BATCH, torch.float64)
    loss, prediction, mask = model.forward(images, ids_shuffle)
    loss.mean().backward()
    features = model.encode(images, None)[:, 1:].mean(dim=1)
    tensors = {f"{kind}.loss": loss, f"{kind}.prediction": prediction, f"{kind}.mask": mask, f"{kind}.features": features}
    tensors[f"{kind}.most"] = torch.stack([p.grad.abs().max() for p in model.parameters.values()])
    for name, parameter in model.parameters.items():
        tensors |= condensed(f"{kind}.grad.{name}", parameter.grad)
    return tensors


def condensed(key: str, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
    flat = gradient.flatten()
    if len(flat) <= SAMPLE:
        return {key: flat}
    assert math.gcd(STRIDE, len(flat)) == 1
    rows = gradient.reshape(gradient.shape[0], -1)
    return {key: flat[torch.arange(SAMPLE) * STRIDE % len(flat)], f"{key}.rows": rows.sum(dim=1), f"{key}.columns": rows.sum(dim=0)}


def learning_rates() -> dict:
    peak, warmup, epochs = 1.5e-4 * 4096 / 256, 40, 800
    moments = [0, 0.25, 1, 20, 39.75, 40, 40.5, 100, 230, 420, 610, 799.9, 800]
    rates = [peak * e / warmup if e < warmup else peak * 0.5 * (1 + math.cos(math.pi * (e - warmup) / (epochs - warmup))) for e in moments]
    return {"baseLr": 1.5e-4, "globalBatch": 4096, "warmupEpochs": warmup, "epochs": epochs, "at": moments, "rates": rates}


def adam_w() -> dict:
    """Two tensors, one with decay, over eight steps of changing rate; the parameters and moments after each step."""
    size = 24
    rates = [0.0, 1e-3, 2e-3, 3e-3, 2.5e-3, 2e-3, 1e-3, 1e-4]
    start = [2 * hashed(2000 + i, size).astype(np.float32).astype(np.float64) - 1 for i in range(2)]
    parameters = [torch.nn.Parameter(torch.from_numpy(values.copy())) for values in start]
    groups = [{"params": [parameters[0]], "weight_decay": 0.05}, {"params": [parameters[1]], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    steps = []
    for step, rate in enumerate(rates):
        gradients = []
        for i, parameter in enumerate(parameters):
            scale = 10.0 ** (i - step % 4)  # gradients of very different sizes
            gradient = (scale * (2 * hashed(2100 + 2 * step + i, size) - 1)).astype(np.float32).astype(np.float64)
            gradients.append(gradient.tolist())
            parameter.grad = torch.from_numpy(gradient)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        state = [optimizer.state[p] for p in parameters]
        steps.append({
            "lr": rate,
            "gradients": gradients,
            "parameters": [p.detach().tolist() for p in parameters],
            "firstMoments": [s["exp_avg"].tolist() for s in state],
            "secondMoments": [s["exp_avg_sq"].tolist() for s in state],
        })
    return {"weightDecay": [0.05, 0.0], "start": [values.tolist() for values in start], "steps": steps}


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    header, offset, bodies = {}, 0, []
    for name, tensor in tensors.items():
        body = tensor.detach().to(torch.float32).numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(body)]}
        offset += len(body)
        bodies.append(body)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(bodies))


if __name__ == "__main__":
    main()
