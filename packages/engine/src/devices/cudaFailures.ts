/**
 * CUDA's error numbers that say something of the machine, not of us (driver_types.h), as ONNX Runtime prints them: `CUDA failure 35: ...`.
 */
const CUDA_FAILURES: Readonly<Record<string, string>> = {
  '2': 'the GPU has too little free memory: take smaller micro-batches, or set MAESTRO_CUDA_MEMORY_BYTES where others use it too',
  '35': 'the NVIDIA driver is missing, or older than the CUDA libraries need',
  '100': 'the driver finds no GPU: look at nvidia-smi, and in a container start it with `--gpus all`',
  '101': 'there is no GPU of that number: set MAESTRO_CUDA_DEVICE',
  '209': 'the CUDA provider has no kernels for this GPU: it is too old or too new for this build',
  '802': 'the system is not ready: start the NVIDIA Fabric Manager of the same version as the driver',
  '803': 'kernel module and libcuda.so.1 are of different versions: reboot after a driver was upgraded',
  '804': 'this GPU does not take CUDA compatibility libraries: take their folder off LD_LIBRARY_PATH',
  '999': 'the driver cannot say why: load the kernel module nvidia_uvm, and look at dmesg',
};

/** The message of ONNX Runtime, with what its CUDA error number means where that is known. */
export function explainCudaFailure(message: string): string {
  if (message.includes('cuDNN is not available')) return `a kernel needs cuDNN: install cuDNN 9 for the CUDA that is here (${message})`;
  const meaning = CUDA_FAILURES[/CUDA (?:failure|error) (\d+)/.exec(message)?.[1] ?? ''];
  return meaning === undefined ? message : `${meaning} (${message})`;
}

/** Whether ONNX Runtime refused the device, and not the model. */
export function isDeviceRefusal(message: string): boolean {
  return /ExecutionProvider|WebGPU adapter|CUDA/.test(message);
}
