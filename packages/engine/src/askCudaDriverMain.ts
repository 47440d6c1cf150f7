import koffi from 'koffi';
import type { DriverAnswer } from './judgeCuda.ts';

/** Asks NVIDIA's driver, by `libcuda.so.1` alone, whether it works, which CUDA it serves and which GPUs it has; prints a {@link DriverAnswer}. */
const NAME_BYTES = 256;

function ask(): DriverAnswer {
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load('libcuda.so.1');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { isLoaded: false, reason: /No such file/.test(message) ? 'libcuda.so.1 not found' : message };
  }
  const cell = new Int32Array(1);
  const init = library.func('cuInit', 'int', ['uint32'])(0) as number;
  library.func('cuDriverGetVersion', 'int', ['void *'])(cell);
  const cudaVersion = cell[0]!;
  if (init !== 0) return { isLoaded: true, init, cudaVersion, gpus: [] };
  library.func('cuDeviceGetCount', 'int', ['void *'])(cell);
  const name = Buffer.alloc(NAME_BYTES);
  const getName = library.func('cuDeviceGetName', 'int', ['void *', 'int', 'int']);
  const gpus = Array.from({ length: cell[0]! }, (_, device) => {
    getName(name, NAME_BYTES, device);
    return name.toString('utf8', 0, name.indexOf(0));
  });
  return { isLoaded: true, init, cudaVersion, gpus };
}

process.stdout.write(JSON.stringify(ask()));
