"""Writes what Python's webdataset reads from our shards: `python tests/conformance/make_webdataset_fixture.py` (needs webdataset and numpy,
and a build).

fixtures/webdataset.json: of two packed data sets (packFixture.ts) the SHA-256 of each shard, and of each sample, in order, its key and the
SHA-256 of each of its fields as webdataset gives them. Of NumPy files the array that webdataset decodes is told too: its shape, type and
the SHA-256 of its values. webdataset.test.ts compares that with what we pack and read."""
import glob
import hashlib
import json
import os
import subprocess
import tempfile

import numpy
import webdataset

HERE = os.path.dirname(os.path.abspath(__file__))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def sample_of(raw, decoded):
    fields = {name: sha256(value) for name, value in sorted(raw.items()) if not name.startswith("__")}
    sample = {"key": raw["__key__"], "fields": fields}
    if "npy" in raw:
        array = numpy.ascontiguousarray(decoded["npy"])
        sample["array"] = {"shape": list(array.shape), "type": str(array.dtype), "sha256": sha256(array.tobytes())}
    if "cls" in raw:
        sample["class"] = int(decoded["cls"])
    return sample


def read_set(folder):
    shards = sorted(glob.glob(os.path.join(folder, "*.tar")))
    open_set = lambda: webdataset.WebDataset(shards, shardshuffle=False)
    samples = [sample_of(*pair) for pair in zip(open_set(), open_set().decode())]
    hashes = {}
    for shard in shards:
        with open(shard, "rb") as file:
            hashes[os.path.basename(shard)] = sha256(file.read())
    return {"shards": hashes, "samples": samples}


with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["node", os.path.join(HERE, "../dist/conformance/packFixture.js"), folder], check=True)
    result = {"webdataset": webdataset.__version__}
    for name in ["files", "pixels"]:
        result[name] = read_set(os.path.join(folder, name))

with open(os.path.join(HERE, "fixtures/webdataset.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
