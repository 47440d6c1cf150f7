#!/bin/sh
# Checks this machine's GPU with maestro and prints one JSON object; progress and errors go to standard error.
#
#   ./gpu-check.sh [--device cuda|cpu|webgpu] [--only gradients,repeatability,curve,throughput,torch] [--models nano,tiny,vitB]
#                  [--timed-model vitB] [--batches 8,16] [--runs 20] > report.json
#
# Needs x86-64 Linux with glibc, and for cuda an NVIDIA driver and the CUDA 13 libraries; no network. CUDA_LIBS names a folder of libraries
# that are in none of the usual places, PYTHON an interpreter with torch to compare with, MAESTRO_GPU_HOME where to unpack (400 MB).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=${MAESTRO_GPU_HOME:-$here/unpacked}

if [ ! -e "$home/complete" ]; then
  echo "gpu-check: unpacking to $home" >&2
  (cd "$here" && sha256sum --quiet -c SHA256SUMS >&2) || {
    echo "gpu-check: a piece is damaged or missing: copy the folder again" >&2
    exit 1
  }
  rm -rf "$home"
  mkdir -p "$home"
  cat "$here"/pieces/maestro-gpu.tar.gz.* | gzip -dc | tar -xf - -C "$home"
  touch "$home/complete"
fi

# PyTorch brings libraries of its own, and is to find those.
PEER_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
export PEER_LIBRARY_PATH
libraries=${CUDA_LIBS:-}
python=${PYTHON:-python3}
site=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' 2>/dev/null || true)
for folder in /usr/local/cuda-13*/lib64 /usr/local/cuda/lib64 "$site"/nvidia/*/lib; do
  if [ -d "$folder" ]; then libraries="${libraries:+$libraries:}$folder"; fi
done
LD_LIBRARY_PATH="${libraries}${LD_LIBRARY_PATH:+${libraries:+:}$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
exec "$home/bin/node" "$home/app/tests/dist/gpu/main.js" "$@"
