"""The peer of the loader: torchvision, one thread, from JPEG files to a normalised batch.

usage: torch_loader.py FOLDER BATCH
Prints {"images"} and then answers each line {"epochs", "way"} with {"seconds", "cpuSeconds"} an image. Ways: `io-v2`, torchvision.io and
transforms v2 on tensors of bytes; `pillow`, Pillow and transforms v2 as the recipes of the MAE paper do it.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import InterpolationMode, v2

SIZE = 224
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def main() -> None:
    folder, batch = Path(sys.argv[1]), int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    files = sorted(str(file) for file in folder.iterdir())
    augment = [
        v2.RandomResizedCrop(SIZE, scale=(0.2, 1.0), interpolation=InterpolationMode.BICUBIC, antialias=True),
        v2.RandomHorizontalFlip(),
    ]
    normalise = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    of_bytes = v2.Compose([*augment, *normalise])
    of_pillow = v2.Compose([*augment, v2.PILToTensor(), *normalise])
    out = torch.empty(batch, 3, SIZE, SIZE)

    def read(way: str, file: str) -> torch.Tensor:
        if way == "io-v2":
            return of_bytes(decode_jpeg(read_file(file), mode=ImageReadMode.RGB))
        with Image.open(file) as image:
            return of_pillow(image.convert("RGB"))

    print(json.dumps({"images": len(files)}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        start, start_cpu = time.perf_counter(), time.process_time()
        for _ in range(asked["epochs"]):
            for n, file in enumerate(files):
                out[n % batch].copy_(read(asked["way"], file))
        images = asked["epochs"] * len(files)
        told = {"seconds": (time.perf_counter() - start) / images, "cpuSeconds": (time.process_time() - start_cpu) / images}
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
