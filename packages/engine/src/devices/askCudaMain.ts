import koffi from 'koffi';
import type { CudaAnswers, DriverAnswer } from './judgeCuda.ts';

/**
 * Asks NVIDIA's driver, by `libcuda.so.1` alone, whether it works, which CUDA it serves and which GPUs it has, and the libraries whose
 * kernels decide bits for their versions; prints {@link CudaAnswers}.
 */
const NAME_BYTES = 256;

function askDriver(): DriverAnswer {
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

/** The version that a library gives; undefined where there is none. Of CUDA 13's sonames first, then 12's. */
function versionOf(sonames: readonly string[], getVersion: string): number | undefined {
  for (const soname of sonames) {
    try {
      return Number(koffi.load(soname).func(getVersion, 'size_t', [])());
    } catch {
      // Not there: the next one, or none.
    }
  }
  return undefined;
}

const answers: CudaAnswers = {
  driver: askDriver(),
  cublas: versionOf(['libcublasLt.so.13', 'libcublasLt.so.12'], 'cublasLtGetVersion'),
  cudnn: versionOf(['libcudnn.so.9'], 'cudnnGetVersion'),
};
process.stdout.write(JSON.stringify(answers));
