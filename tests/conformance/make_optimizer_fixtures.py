"""Writes fixtures/optimizers.json: the roads of torch.optim.SGD, and of LARS by the formula of You et al. 2017, in float64.

Needs NumPy, and PyTorch for the SGD part: `pip install torch numpy` in a virtual environment, then
`python tests/conformance/make_optimizer_fixtures.py`. AdamW's road is in make_fixtures.py.
"""

import json
from pathlib import Path

import numpy as np
import torch

from reference import hashed

TARGET = Path(__file__).parent / "fixtures" / "optimizers.json"
# Two matrices, of which the second learns at half the rate, and a vector.
SHAPES = [(4, 6), (3, 5), (7,)]
LR_SCALES = [1.0, 0.5, 1.0]
RATES = [0.0, 0.05, 0.1, 0.1, 0.07, 0.02]


def start() -> list[np.ndarray]:
    return [2 * hashed(3000 + i, int(np.prod(shape))).reshape(shape) - 1 for i, shape in enumerate(SHAPES)]


def gradients(step: int) -> list[np.ndarray]:
    def of(i: int, shape: tuple[int, ...]) -> np.ndarray:
        scale = 10.0 ** (i - step % 3)
        return (scale * (2 * hashed(3100 + 3 * step + i, int(np.prod(shape))).reshape(shape) - 1)).astype(np.float32).astype(np.float64)

    return [of(i, shape) for i, shape in enumerate(SHAPES)]


def road(settings: dict, update) -> dict:
    steps = []
    for step, rate in enumerate(RATES):
        parameters, buffers = update(step, rate)
        steps.append({"parameters": [p.ravel().tolist() for p in parameters], "buffers": [b.ravel().tolist() for b in buffers]})
    return {"settings": settings, "steps": steps}


def sgd(momentum: float, nesterov: bool, weight_decay: float) -> dict:
    parameters = [torch.nn.Parameter(torch.from_numpy(values.copy())) for values in start()]
    groups = [
        {"params": [p], "weight_decay": weight_decay if p.ndim > 1 else 0.0, "lr": 0.0} for p in parameters
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=momentum, nesterov=nesterov)

    def update(step: int, rate: float):
        for parameter, gradient, group, scale in zip(parameters, gradients(step), optimizer.param_groups, LR_SCALES):
            parameter.grad = torch.from_numpy(gradient)
            group["lr"] = rate * scale
        optimizer.step()
        # Without momentum PyTorch keeps no buffer; ours is then the gradient (the only such road has no decay).
        buffers = [optimizer.state[p].get("momentum_buffer", p.grad) for p in parameters]
        return [p.detach().numpy() for p in parameters], [b.numpy() for b in buffers]

    return road({"name": "sgd", "momentum": momentum, "nesterov": nesterov, "weightDecay": weight_decay}, update)


def lars(momentum: float, weight_decay: float, trust_coefficient: float) -> dict:
    """Algorithm 1 of You et al. 2017 (arXiv 1708.03888), the rate outside of the momentum; vectors are neither adapted nor decayed."""
    parameters = start()
    buffers = [np.zeros_like(p) for p in parameters]

    def update(step: int, rate: float):
        for p, buffer, gradient, scale in zip(parameters, buffers, gradients(step), LR_SCALES):
            direction = gradient
            if p.ndim > 1:
                w, g = np.linalg.norm(p), np.linalg.norm(gradient)
                trust = trust_coefficient * w / (g + weight_decay * w) if w > 0 and g > 0 else 1.0
                direction = trust * (gradient + weight_decay * p)
            buffer[...] = momentum * buffer + direction
            p -= rate * scale * buffer
        return [p.copy() for p in parameters], [b.copy() for b in buffers]

    settings = {"name": "lars", "momentum": momentum, "weightDecay": weight_decay, "trustCoefficient": trust_coefficient}
    return road(settings, update)


def main() -> None:
    roads = [sgd(0.9, False, 0.01), sgd(0.9, True, 0.01), sgd(0.0, False, 0.0), lars(0.9, 0.0, 0.001), lars(0.9, 0.05, 0.02)]
    content = {
        "shapes": SHAPES,
        "lrScales": LR_SCALES,
        "rates": RATES,
        "start": [p.ravel().tolist() for p in start()],
        "gradients": [[g.ravel().tolist() for g in gradients(step)] for step in range(len(RATES))],
        "roads": roads,
    }
    TARGET.write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
