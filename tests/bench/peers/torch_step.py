"""The peer of the training step: PyTorch on the CPU, with the shortcuts that packages/mae takes, for the same weights and batch.

usage: torch_step.py CASE BATCH THREADS
Prints {"torch", "threads", "baselineBytes"} and then answers each line of standard input, a JSON object, with one:
  {"do": "check", "mode": M}            sets the weights and moments anew; {"losses", "norms", "seconds"} of the first two steps
  {"do": "steps", "mode": M, "count"}   {"seconds", "cpuSeconds", "loss"}: all of them together, a step's mean
  {"do": "memory"}                      {"peakBytes", "baselineBytes"} of this process
A mode is f32-eager, f32-compile, bf16-eager or bf16-compile (autocast). What fails is answered with {"error"}.

A step is what a training loop does: zero_grad(set_to_none), forward, backward, the norm of all gradients and whether it is finite,
fused AdamW.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "conformance"))
from reference import TINY, VIT_B, Config, Reference, formula_parameters, inputs  # noqa: E402

CASES = {"tiny": TINY, "vitB": VIT_B}
LEARNING_RATE = 1e-4


class Shortcuts(Reference):
    """The same function in less work: only kept patches are embedded, nothing is put back in order, the last block of the decoder asks
    for the removed patches alone, and only these are predicted."""

    def shortcut_block(self, name: str, x: torch.Tensor, heads: int, start: int) -> torch.Tensor:
        n, tokens, width = x.shape
        qkv = self.linear(f"{name}.attn.qkv", self.norm(f"{name}.norm1", x))
        q, k, v = qkv.reshape(n, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        if start > 0:
            q, x = q[:, :, start:], x[:, start:]
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens - start, width)
        x = x + self.linear(f"{name}.attn.proj", mixed)
        hidden = F.gelu(self.linear(f"{name}.mlp.fc1", self.norm(f"{name}.norm2", x)))
        return x + self.linear(f"{name}.mlp.fc2", hidden)

    def loss(self, images: torch.Tensor, ids_shuffle: torch.Tensor) -> torch.Tensor:
        c, p, n = self.c, self.parameters, len(images)
        rows = ids_shuffle + torch.arange(n).unsqueeze(1) * c.patches
        patches = self.patchify(images).reshape(n * c.patches, c.patch_length)
        kept = patches.index_select(0, rows[:, : c.kept].reshape(-1)).reshape(n, c.kept, c.patch_length)
        weight = p["patch_embed.proj.weight"].permute(0, 2, 3, 1).reshape(c.embed_dim, c.patch_length)
        x = F.linear(kept, weight, p["patch_embed.proj.bias"])
        x = x + F.embedding(ids_shuffle[:, : c.kept], self.encoder_positions[1:])
        x = torch.cat([p["cls_token"].expand(n, -1, -1), x], dim=1)
        for i in range(c.depth):
            x = self.shortcut_block(f"blocks.{i}", x, c.num_heads, 0)
        x = self.linear("decoder_embed", self.norm("norm", x))
        x = torch.cat([x, p["mask_token"].expand(n, c.patches - c.kept, -1)], dim=1)
        places = torch.cat([torch.zeros_like(ids_shuffle[:, :1]), ids_shuffle + 1], dim=1)
        x = x + F.embedding(places, self.decoder_positions)
        for i in range(c.decoder_depth):
            x = self.shortcut_block(f"decoder_blocks.{i}", x, c.decoder_num_heads, 1 + c.kept if i == c.decoder_depth - 1 else 0)
        prediction = self.linear("decoder_pred", self.norm("decoder_norm", x))
        target = patches.index_select(0, rows[:, c.kept :].reshape(-1)).reshape(n, c.patches - c.kept, c.patch_length)
        target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6) ** 0.5
        return ((prediction - target) ** 2).mean()

    def loss_bf16(self, images: torch.Tensor, ids_shuffle: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.loss(images, ids_shuffle)


class Training:
    def __init__(self, config: Config, batch: int) -> None:
        self.model = Shortcuts(config, torch.float32, norm_pix=True)
        self.images, self.ids_shuffle = inputs(config, batch, torch.float32)
        self.losses = {}
        self.optimizer = None
        self.begin()

    def begin(self) -> None:
        """Without moments. Weight decay is for what has two dimensions or more, as in packages/tensors."""
        parameters = self.model.parameters.values()
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), fused=True)

    def reset(self) -> None:
        with torch.no_grad():
            for name, value in formula_parameters(self.model.c).items():
                self.model.parameters[name].copy_(torch.from_numpy(value))
        self.begin()

    def loss_of(self, mode: str):
        if mode not in self.losses:
            precision, way = mode.split("-")
            function = self.model.loss_bf16 if precision == "bf16" else self.model.loss
            self.losses[mode] = torch.compile(function, dynamic=False) if way == "compile" else function
        return self.losses[mode]

    def step(self, mode: str) -> tuple[float, float]:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(mode)(self.images, self.ids_shuffle)
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters.values()]).item()
        value = loss.item()
        if not (torch.isfinite(torch.tensor(value)) and torch.isfinite(torch.tensor(norm))):
            raise RuntimeError(f"loss {value}, norm {norm}")
        self.optimizer.step()
        return value, norm


def memory_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    return 0


def main() -> None:
    case, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints is no answer

    def answer(told: dict) -> None:
        print(json.dumps(told), file=answers, flush=True)

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    (torch.ones(64, 64) @ torch.ones(64, 64)).sum().item()
    baseline = memory_bytes("VmRSS")
    training = Training(CASES[case], batch)
    answer({"torch": torch.__version__, "threads": torch.get_num_threads(), "baselineBytes": baseline})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["do"] == "check":
                training.reset()
                steps, seconds = [], []
                for _ in range(2):
                    start = time.perf_counter()
                    steps.append(training.step(asked["mode"]))
                    seconds.append(time.perf_counter() - start)
                answer({"losses": [loss for loss, _ in steps], "norms": [norm for _, norm in steps], "seconds": seconds})
            elif asked["do"] == "steps":
                count = asked["count"]
                start, start_cpu = time.perf_counter(), time.process_time()
                for _ in range(count):
                    loss, _ = training.step(asked["mode"])
                seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
                answer({"seconds": seconds / count, "cpuSeconds": cpu / count, "loss": loss})
            else:
                answer({"peakBytes": memory_bytes("VmHWM"), "baselineBytes": baseline})
        except Exception as error:  # noqa: BLE001 - a mode that fails is told in the table
            answer({"error": f"{type(error).__name__}: {error}"[:500]})


if __name__ == "__main__":
    main()
