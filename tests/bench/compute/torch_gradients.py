"""Gradients of PyTorch for one batch by formula, in float64, float32 and bfloat16 (autocast), to compare the errors of ours with.

usage: torch_gradients.py FOLDER IMAGES IMAGE CHANNELS PATCH EMBED DEPTH HEADS DECODER_EMBED DECODER_DEPTH DECODER_HEADS
Writes FOLDER/{f64,f32,bf16}.bin: the gradients of all parameters, in the order of packages/mae, as float64, little-endian. Prints
{"torch": version}.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "conformance"))
from reference import Config, Reference, inputs  # noqa: E402


def gradients(config: Config, count: int, dtype: torch.dtype, is_autocast: bool) -> np.ndarray:
    model = Reference(config, dtype, norm_pix=True)
    images, ids_shuffle = inputs(config, count, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_autocast):
        loss = model.forward(images, ids_shuffle)[0].mean()
    loss.backward()
    return np.concatenate([each.grad.numpy().astype("<f8").reshape(-1) for each in model.parameters.values()])


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    config = Config(*(int(argument) for argument in sys.argv[3:]))
    for name, dtype, is_autocast in [("f64", torch.float64, False), ("f32", torch.float32, False), ("bf16", torch.float32, True)]:
        gradients(config, count, dtype, is_autocast).tofile(folder / f"{name}.bin")
    print(json.dumps({"torch": torch.__version__}))


if __name__ == "__main__":
    main()
