"""A Masked Autoencoder in PyTorch, written from the paper (He et al. 2021, arXiv 2111.06377) for comparison.

It takes the plain road where packages/mae takes the fast one: it embeds every patch, restores the order of the patches before the
decoder, predicts all patches, masks the loss, and leaves every gradient to autograd.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Config:
    image_size: int
    channels: int
    patch_size: int
    embed_dim: int
    depth: int
    num_heads: int
    decoder_embed_dim: int
    decoder_depth: int
    decoder_num_heads: int
    mask_ratio: float = 0.75

    @property
    def grid(self) -> int:
        return self.image_size // self.patch_size

    @property
    def patches(self) -> int:
        return self.grid**2

    @property
    def patch_length(self) -> int:
        return self.patch_size**2 * self.channels

    @property
    def kept(self) -> int:
        return int(self.patches * (1 - self.mask_ratio))


TINY = Config(32, 1, 4, 192, 4, 3, 96, 2, 3)
NANO = Config(24, 3, 4, 16, 2, 2, 8, 2, 2)
VIT_B = Config(224, 3, 16, 768, 12, 12, 512, 8, 16)


def parameter_shapes(c: Config) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the trainable parameters, in the order of packages/mae."""
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs)
        shapes[f"{name}.bias"] = (outputs,)

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def blocks(name: str, depth: int, width: int) -> None:
        for i in range(depth):
            norm(f"{name}.{i}.norm1", width)
            linear(f"{name}.{i}.attn.qkv", width, 3 * width)
            linear(f"{name}.{i}.attn.proj", width, width)
            norm(f"{name}.{i}.norm2", width)
            linear(f"{name}.{i}.mlp.fc1", width, 4 * width)
            linear(f"{name}.{i}.mlp.fc2", 4 * width, width)

    shapes["cls_token"] = (1, 1, c.embed_dim)
    shapes["patch_embed.proj.weight"] = (c.embed_dim, c.channels, c.patch_size, c.patch_size)
    shapes["patch_embed.proj.bias"] = (c.embed_dim,)
    blocks("blocks", c.depth, c.embed_dim)
    norm("norm", c.embed_dim)
    linear("decoder_embed", c.embed_dim, c.decoder_embed_dim)
    shapes["mask_token"] = (1, 1, c.decoder_embed_dim)
    blocks("decoder_blocks", c.decoder_depth, c.decoder_embed_dim)
    norm("decoder_norm", c.decoder_embed_dim)
    linear("decoder_pred", c.decoder_embed_dim, c.patch_length)
    return shapes


def hashed(stream: int, count: int) -> np.ndarray:
    """Numbers in [0, 1) that any language makes alike: element i is an integer hash (lowbias32 of i and the stream) over 2^24."""
    h = (np.arange(count, dtype=np.uint64) * 0x9E3779B9 + stream * 0x85EBCA6B).astype(np.uint32)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x7FEB352D)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float64) / 2**24


IMAGES_STREAM = 1000
NOISE_STREAM = 1001


def formula_parameters(c: Config) -> dict[str, np.ndarray]:
    """Parameters of a sensible size in which nothing is zero, so that every gradient is exercised; float32."""
    parameters = {}
    for stream, (name, shape) in enumerate(parameter_shapes(c).items()):
        size = int(np.prod(shape))
        values = 2 * hashed(stream, size) - 1
        if name in ("cls_token", "mask_token"):
            values = 0.05 * values
        elif len(shape) > 1:
            values = np.sqrt(6 / (size // shape[0] + shape[0])) * values
        elif name.endswith(".weight"):
            values = 1 + 0.1 * values
        else:
            values = 0.1 * values
        parameters[name] = values.astype(np.float32).reshape(shape)
    return parameters


def formula_images(c: Config, count: int) -> np.ndarray:
    values = 4 * hashed(IMAGES_STREAM, count * c.channels * c.image_size**2) - 2
    return values.astype(np.float32).reshape(count, c.channels, c.image_size, c.image_size)


def formula_noise(c: Config, count: int) -> np.ndarray:
    return hashed(NOISE_STREAM, count * c.patches).astype(np.float32).reshape(count, c.patches)


def positions(grid: int, width: int) -> np.ndarray:
    """Sin-cos table [1 + grid^2, width]: zeros for the class token, then sin and cos of the column, then of the row; float32."""
    omega = 10000.0 ** (-np.arange(width // 4) / (width / 4))
    row, column = np.meshgrid(np.arange(grid), np.arange(grid), indexing="ij")
    by_column = column.reshape(-1, 1) * omega
    by_row = row.reshape(-1, 1) * omega
    table = np.concatenate([np.sin(by_column), np.cos(by_column), np.sin(by_row), np.cos(by_row)], axis=1)
    return np.concatenate([np.zeros((1, width)), table]).astype(np.float32)


class Reference:
    def __init__(self, c: Config, dtype: torch.dtype, norm_pix: bool) -> None:
        self.c = c
        self.norm_pix = norm_pix
        self.parameters = {
            name: torch.from_numpy(value).to(dtype).requires_grad_() for name, value in formula_parameters(c).items()
        }
        self.encoder_positions = torch.from_numpy(positions(c.grid, c.embed_dim)).to(dtype)
        self.decoder_positions = torch.from_numpy(positions(c.grid, c.decoder_embed_dim)).to(dtype)

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"], 1e-6)

    def block(self, name: str, x: torch.Tensor, heads: int) -> torch.Tensor:
        n, tokens, width = x.shape
        qkv = self.linear(f"{name}.attn.qkv", self.norm(f"{name}.norm1", x))
        q, k, v = qkv.reshape(n, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + self.linear(f"{name}.attn.proj", mixed)
        hidden = F.gelu(self.linear(f"{name}.mlp.fc1", self.norm(f"{name}.norm2", x)))
        return x + self.linear(f"{name}.mlp.fc2", hidden)

    def patchify(self, images: torch.Tensor) -> torch.Tensor:
        c = self.c
        cut = images.reshape(len(images), c.channels, c.grid, c.patch_size, c.grid, c.patch_size)
        return cut.permute(0, 2, 4, 3, 5, 1).reshape(len(images), c.patches, c.patch_length)

    def encode(self, images: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        c, p = self.c, self.parameters
        embedded = F.conv2d(images, p["patch_embed.proj.weight"], p["patch_embed.proj.bias"], stride=c.patch_size)
        x = embedded.flatten(2).transpose(1, 2) + self.encoder_positions[1:]
        if kept is not None:
            x = x.gather(1, kept.unsqueeze(-1).expand(-1, -1, c.embed_dim))
        first = (p["cls_token"] + self.encoder_positions[0]).expand(len(images), -1, -1)
        x = torch.cat([first, x], dim=1)
        for i in range(c.depth):
            x = self.block(f"blocks.{i}", x, c.num_heads)
        return self.norm("norm", x)

    def decode(self, latent: torch.Tensor, ids_restore: torch.Tensor) -> torch.Tensor:
        c, p = self.c, self.parameters
        x = self.linear("decoder_embed", latent)
        tokens = torch.cat([x[:, 1:], p["mask_token"].expand(len(x), c.patches + 1 - x.shape[1], -1)], dim=1)
        tokens = tokens.gather(1, ids_restore.unsqueeze(-1).expand(-1, -1, c.decoder_embed_dim))
        x = torch.cat([x[:, :1], tokens], dim=1) + self.decoder_positions
        for i in range(c.decoder_depth):
            x = self.block(f"decoder_blocks.{i}", x, c.decoder_num_heads)
        return self.linear("decoder_pred", self.norm("decoder_norm", x))[:, 1:]

    def forward(self, images: torch.Tensor, ids_shuffle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss of each sample [N], prediction [N, L, P] and mask [N, L] (1 is removed)."""
        prediction = self.decode(self.encode(images, ids_shuffle[:, : self.c.kept]), ids_shuffle.argsort(dim=1))
        target = self.patchify(images)
        if self.norm_pix:
            target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6) ** 0.5
        mask = torch.ones_like(ids_shuffle, dtype=images.dtype)
        mask.scatter_(1, ids_shuffle[:, : self.c.kept], 0)
        per_patch = ((prediction - target) ** 2).mean(dim=-1)
        return (per_patch * mask).sum(dim=1) / mask.sum(dim=1), prediction, mask


def inputs(c: Config, count: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and ids_shuffle made by the formulas."""
    noise = torch.from_numpy(formula_noise(c, count))
    return torch.from_numpy(formula_images(c, count)).to(dtype), noise.argsort(dim=1, stable=True)
