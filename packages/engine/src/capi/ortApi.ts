import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { holdLibrary } from '@maestro/native';
import { MaestroError } from '@maestro/protocol';

/** The address of a native object or of memory. */
export type Pointer = bigint;

/** Memory that native code reads or writes in place, WebAssembly's and shared memory included. */
export type NativeView = Float32Array | BigInt64Array | BigUint64Array | Int32Array | Uint8Array;

/** The one version whose table this file knows: of onnxruntime-node, whose own library is called. */
const VERSION = '1.29.0';

/** The oldest API that has all of the functions below; the table is only ever appended to, so their places stay. */
const API_VERSION = 23;

/** Place in `OrtApi` (onnxruntime_c_api.h) and C types of the arguments; `pointer` takes an address, a view or null. */
const FUNCTIONS = {
  CreateEnv: [3, ['int', 'str', 'pointer']],
  CreateSession: [7, ['pointer', 'str', 'pointer', 'pointer']],
  CreateSessionFromArray: [8, ['pointer', 'pointer', 'size_t', 'pointer', 'pointer']],
  CreateSessionOptions: [10, ['pointer']],
  DisableMemPattern: [17, ['pointer']],
  SetSessionLogSeverityLevel: [22, ['pointer', 'int']],
  SetSessionGraphOptimizationLevel: [23, ['pointer', 'int']],
  SetIntraOpNumThreads: [24, ['pointer', 'int']],
  SetInterOpNumThreads: [25, ['pointer', 'int']],
  SessionGetInputCount: [30, ['pointer', 'pointer']],
  SessionGetOutputCount: [31, ['pointer', 'pointer']],
  SessionGetInputTypeInfo: [33, ['pointer', 'size_t', 'pointer']],
  SessionGetOutputTypeInfo: [34, ['pointer', 'size_t', 'pointer']],
  SessionGetInputName: [36, ['pointer', 'size_t', 'pointer', 'pointer']],
  SessionGetOutputName: [37, ['pointer', 'size_t', 'pointer', 'pointer']],
  CreateTensorAsOrtValue: [48, ['pointer', 'pointer', 'size_t', 'int', 'pointer']],
  CreateTensorWithDataAsOrtValue: [49, ['pointer', 'pointer', 'size_t', 'pointer', 'size_t', 'int', 'pointer']],
  CastTypeInfoToTensorInfo: [55, ['pointer', 'pointer']],
  GetTensorElementType: [60, ['pointer', 'pointer']],
  GetDimensionsCount: [61, ['pointer', 'pointer']],
  GetDimensions: [62, ['pointer', 'pointer', 'size_t']],
  CreateMemoryInfo: [68, ['str', 'int', 'int', 'int', 'pointer']],
  AllocatorFree: [76, ['pointer', 'pointer']],
  GetAllocatorWithDefaultOptions: [78, ['pointer']],
  AddSessionConfigEntry: [130, ['pointer', 'str', 'str']],
  CreateAllocator: [131, ['pointer', 'pointer', 'pointer']],
  RunWithBinding: [133, ['pointer', 'pointer', 'pointer']],
  CreateIoBinding: [134, ['pointer', 'pointer']],
  BindInput: [136, ['pointer', 'str', 'pointer']],
  BindOutput: [137, ['pointer', 'str', 'pointer']],
  BindOutputToDevice: [138, ['pointer', 'str', 'pointer']],
  GetBoundOutputValues: [140, ['pointer', 'pointer', 'pointer', 'pointer']],
  SynchronizeBoundInputs: [202, ['pointer']],
  SynchronizeBoundOutputs: [203, ['pointer']],
  AppendCuda: [204, ['pointer', 'pointer']],
  CreateCudaOptions: [205, ['pointer']],
  UpdateCudaOptions: [206, ['pointer', 'strings', 'strings', 'size_t']],
  AppendProvider: [216, ['pointer', 'str', 'strings', 'strings', 'size_t']],
  RegisterCustomOpsLibrary: [228, ['pointer', 'str']],
  SetDeterministicCompute: [273, ['pointer', 'bool']],
} as const;

/** Those that give nothing and cannot fail. */
const RELEASES = {
  MemoryInfo: 94,
  Session: 95,
  Value: 96,
  TypeInfo: 98,
  SessionOptions: 100,
  Allocator: 132,
  IoBinding: 135,
  CudaOptions: 208,
} as const;

type Name = keyof typeof FUNCTIONS;
type NativeArgument = Pointer | NativeView | number | string | boolean | readonly string[] | null;

/** ONNX Runtime's C API: the functions that this package uses, by name. One for each thread. */
export interface OrtApi {
  /** @throws Error with the message of ONNX Runtime. */
  call(name: Name, ...args: readonly NativeArgument[]): void;
  /** Calls a function whose last argument is where it writes a pointer or a count. @throws the same. */
  get(name: Name, ...args: readonly NativeArgument[]): Pointer;
  release(kind: keyof typeof RELEASES, pointer: Pointer): void;
  /** Where the first element of a view lies; good for as long as its memory lives. */
  addressOf(view: NativeView): Pointer;
  text(pointer: Pointer): string;
  /** Reads `count` addresses that lie at `pointer`. */
  pointers(pointer: Pointer, count: number): readonly Pointer[];
  readonly env: Pointer;
}

/**
 * Loads the library that onnxruntime-node ships, by way of the FFI package koffi, and reads its table.
 *
 * @throws MaestroError `unavailable` with the reason when koffi, the library or its version is not what this file was written for.
 */
export async function openOrtApi(): Promise<OrtApi> {
  const koffi = await import('koffi').then(
    (module) => module.default,
    (cause) => {
      throw new MaestroError('unavailable', `capi: koffi cannot be loaded on ${process.platform}/${process.arch}`, { cause });
    },
  );
  const library = holdLibrary(koffi, runtimeLibrary());
  const base: Pointer = library.func('OrtGetApiBase', 'void *', [])();
  const [getApi, getVersion] = koffi.decode(base, 'void *', 2) as [Pointer, Pointer];
  const version = koffi.call(getVersion, koffi.proto('str', [])) as string;
  if (version !== VERSION) throw new MaestroError('unavailable', `capi: needs ONNX Runtime ${VERSION}, found ${version}`);
  const table = koffi.call(getApi, koffi.proto('void *', ['uint32']), API_VERSION) as Pointer | null;
  if (table === null) throw new MaestroError('unavailable', `capi: ONNX Runtime ${version} has no API ${API_VERSION}`);

  const places = koffi.decode(table, koffi.array('void *', 1 + Math.max(...Object.values(FUNCTIONS).map(([place]) => place)))) as Pointer[];
  const ctype = { pointer: 'void *', strings: 'const char **', int: 'int', size_t: 'size_t', str: 'str', bool: 'int' } as const;
  const bound = (place: number, result: string, args: readonly (keyof typeof ctype)[]) =>
    koffi.decode(
      places[place],
      koffi.proto(
        result,
        args.map((each) => ctype[each]),
      ),
    ) as (...args: readonly NativeArgument[]) => unknown;
  const functions = Object.fromEntries(Object.entries(FUNCTIONS).map(([name, [place, args]]) => [name, bound(place, 'void *', args)]));
  const releases = Object.fromEntries(Object.entries(RELEASES).map(([kind, place]) => [kind, bound(place, 'void', ['pointer'])]));
  const errorMessage = bound(2, 'str', ['pointer']);
  const releaseStatus = bound(93, 'void', ['pointer']);
  const cell = new BigUint64Array(1);

  const api: Omit<OrtApi, 'env'> = {
    call(name, ...args) {
      const status = functions[name]!(...args) as Pointer | null;
      if (status === null) return;
      const message = errorMessage(status) as string;
      releaseStatus(status);
      throw new Error(message);
    },
    get(name, ...args) {
      cell[0] = 0n;
      api.call(name, ...args, cell);
      return cell[0];
    },
    release: (kind, pointer) => void releases[kind]!(pointer),
    addressOf: (view) => koffi.address(view),
    text: (pointer) => koffi.decode(pointer, 'char', -1) as string,
    pointers: (pointer, count) => koffi.decode(pointer, koffi.array('void *', count)) as Pointer[],
  };
  // One environment for the process, of which onnxruntime-node has a reference too; it is never released, as it holds nothing of ours.
  return { ...api, env: api.get('CreateEnv', 3, 'maestro') };
}

/** The very file that onnxruntime-node loads, so that both give the same bits. */
function runtimeLibrary(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const name = { linux: 'libonnxruntime.so.1', darwin: `libonnxruntime.${VERSION}.dylib`, win32: 'onnxruntime.dll' }[
    process.platform as string
  ];
  if (name === undefined) throw new MaestroError('unavailable', `capi: no ONNX Runtime library is known for ${process.platform}`);
  return join(root, 'bin', 'napi-v6', process.platform, process.arch, name);
}
