/** One environment variable that configures a process. */
export interface EnvironmentVariable {
  readonly name: `MAESTRO_${string}`;
  /** The processes that read it. */
  readonly of: string;
  /** Value when it is not set. */
  readonly default: string;
  readonly meaning: string;
}

/** Every environment variable of maestro, for the reference. */
export const ENVIRONMENT: readonly EnvironmentVariable[] = [
  { name: 'MAESTRO_REDIS_URL', of: 'coordinator, worker', default: 'redis://127.0.0.1:6379', meaning: 'Redis of the cluster' },
  {
    name: 'MAESTRO_REDIS_EVICTION',
    of: 'coordinator',
    default: 'refuse',
    meaning:
      'allow starts with a Redis whose maxmemory-policy is not noeviction, which may drop jobs that wait; their condition `Durable` ' +
      'says so',
  },
  {
    name: 'MAESTRO_DATA_DIR',
    of: 'all',
    default: '.maestro',
    meaning: 'folder for checkpoints, artifacts and logs; shared by coordinator and workers',
  },
  {
    name: 'MAESTRO_RECIPES',
    of: 'all',
    default: 'none: the recipes that come with maestro',
    meaning:
      'modules of more recipes, with commas between: paths that begin with / or ./, or names of packages. The same for all ' +
      'processes; a job takes only workers whose modules are alike',
  },
  {
    name: 'MAESTRO_NATIVE_ISA',
    of: 'worker',
    default: 'the best that the machine has',
    meaning: 'instruction set of the native operators: avx2, avx512, amx or neon. It never changes a bit',
  },
  {
    name: 'MAESTRO_NATIVE_DIR',
    of: 'worker',
    default: '.maestro/native in the installation',
    meaning: 'where the library of native operators is built and found',
  },
  {
    name: 'MAESTRO_CHECKPOINTS',
    of: 'coordinator, worker, CLI',
    default: 'below the data folder',
    meaning: 'default location of checkpoints: an absolute path, or s3://bucket/prefix; a job file can override it',
  },
  {
    name: 'MAESTRO_S3_ENDPOINT',
    of: 'all',
    default: 'AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS of the region',
    meaning:
      'address of the S3-compatible server; keys and region are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION',
  },
  { name: 'MAESTRO_GRPC_LISTEN', of: 'coordinator', default: '127.0.0.1:7070', meaning: 'host:port of gRPC: the job API and the workers' },
  {
    name: 'MAESTRO_HTTP_LISTEN',
    of: 'coordinator',
    default: '127.0.0.1:7080',
    meaning: 'host:port of HTTP: the API, the dashboard, /metrics',
  },
  {
    name: 'MAESTRO_TOKENS',
    of: 'coordinator',
    default: 'none: no authentication, loopback only',
    meaning:
      'tokens and roles: `name:role:token`, separated by newlines or commas, or the path of a file with such lines. Roles: admin, ' +
      'submit, read, worker',
  },
  {
    name: 'MAESTRO_TOKEN',
    of: 'worker, CLI, client',
    default: 'none',
    meaning: 'the token to authenticate with; a worker needs the role worker',
  },
  {
    name: 'MAESTRO_TLS_CERT',
    of: 'all',
    default: 'none: plain connections',
    meaning: 'PEM certificate; with key and CA, services use mutual TLS and HTTP becomes HTTPS',
  },
  { name: 'MAESTRO_TLS_KEY', of: 'all', default: 'none', meaning: 'PEM private key of the certificate' },
  {
    name: 'MAESTRO_TLS_CA',
    of: 'all',
    default: 'none',
    meaning: "PEM certificate of the authority that peers' certificates must come from; `maestro certs init` creates one",
  },
  {
    name: 'MAESTRO_TRUSTED_NETWORK',
    of: 'coordinator, worker',
    default: 'none',
    meaning: 'comma-separated networks such as 172.16.0.0/12 that only this cluster can reach; listening there needs no TLS',
  },
  {
    name: 'MAESTRO_DATA_ROOTS',
    of: 'coordinator, worker',
    default: 'any folder',
    meaning:
      'colon-separated folders and URLs (s3://bucket/prefix, https://host/path); data and checkpoints of a job ' +
      'must be inside one; the data folder and MAESTRO_CHECKPOINTS are always allowed',
  },
  {
    name: 'MAESTRO_RECONSTRUCTION_SECONDS',
    of: 'coordinator',
    default: '15',
    meaning: "minimum time between drawings of a job's newest checkpoint for the dashboard; 0 disables them",
  },
  { name: 'MAESTRO_COORDINATOR', of: 'worker, CLI', default: '127.0.0.1:7070', meaning: "host:port of the coordinator's gRPC" },
  { name: 'MAESTRO_WORKER_NAME', of: 'worker', default: 'host name and process id', meaning: 'name of the worker; must be unique' },
  { name: 'MAESTRO_DEVICE', of: 'worker', default: 'cpu', meaning: 'cpu, cuda or webgpu' },
  {
    name: 'MAESTRO_ENGINE',
    of: 'worker',
    default: 'auto',
    meaning:
      'how ONNX Runtime is called: `node` (onnxruntime-node), or `capi` (its C API, which keeps state on a device); auto is node on a cpu, ' +
      'capi for models whose gradients are sent in stages',
  },
  {
    name: 'MAESTRO_RESIDENT',
    of: 'worker',
    default: 'on for a GPU, off for a CPU',
    meaning: 'whether parameters, moments and gradients stay on the device of the `capi` engine; off frees GPU memory and is slower',
  },
  { name: 'MAESTRO_CUDA_DEVICE', of: 'worker', default: '0', meaning: "index of the GPU in CUDA's order" },
  {
    name: 'MAESTRO_CUDA_MEMORY_BYTES',
    of: 'worker',
    default: 'all',
    meaning: "limit of ONNX Runtime's arena in GPU memory",
  },
  {
    name: 'MAESTRO_CUDA_TF32',
    of: 'worker',
    default: 'off',
    meaning: 'on allows TF32 in matrix products: faster, but less precise than float32',
  },
  {
    name: 'MAESTRO_CUDA_DETERMINISTIC',
    of: 'worker',
    default: 'on',
    meaning: 'off allows kernels whose sums depend on thread order',
  },
  {
    name: 'MAESTRO_THREADS',
    of: 'worker',
    default: '1',
    meaning: 'threads per run of the training graph; part of the identity of a job of precision standard',
  },
  { name: 'MAESTRO_COLLECTIVE_LISTEN', of: 'worker', default: '127.0.0.1:0', meaning: 'host:port to listen on for other workers' },
  { name: 'MAESTRO_COLLECTIVE_ADVERTISE', of: 'worker', default: 'where it listens', meaning: 'the address that other workers connect to' },
  {
    name: 'MAESTRO_METRICS_LISTEN',
    of: 'worker',
    default: 'none',
    meaning: 'host:port of its Prometheus metrics, `/healthz` (process is alive) and `/readyz` (a ' + 'coordinator has it',
  },
  {
    name: 'MAESTRO_FAILURE_TIMEOUT_MS',
    of: 'coordinator, worker',
    default: '5000',
    meaning: 'how long a process may be silent; determines every failure detection deadline',
  },
  {
    name: 'MAESTRO_KEEP_JOBS',
    of: 'coordinator',
    default: '1000',
    meaning:
      'number of finished jobs to list, newest first; older ones are addressed by their full id, and their records are ' +
      'in `records/retired` of the data folder',
  },
  {
    name: 'MAESTRO_PREPARE_SECONDS',
    of: 'coordinator',
    default: '900',
    meaning:
      "how long a worker may take to open a job's data and model; after that it is not used, and if no worker is ready, the job fails",
  },
  {
    name: 'MAESTRO_CACHE_DIR',
    of: 'worker',
    default: 'below the data folder',
    meaning: 'folder on a local disk that caches blocks of remote packed data sets; the workers of a machine can share it',
  },
  {
    name: 'MAESTRO_MAX_IMAGE_PIXELS',
    of: 'worker, coordinator, CLI',
    default: '100000000',
    meaning:
      'maximum pixels (width x height) of an image; a larger one counts as broken and is skipped. Decoding takes up to 3 bytes per pixel ' +
      '(6 for 16-bit images) in each loader thread. Must be the same for all workers, since it is part of the identity of a job',
  },
  {
    name: 'MAESTRO_CACHE_SIZE',
    of: 'worker',
    default: '10GB',
    meaning: 'size limit of that folder, for all that share it; evicts the least recently used first. 0 disables the cache',
  },
  {
    name: 'MAESTRO_DATA_PATIENCE_SECONDS',
    of: 'worker',
    default: '300',
    meaning: 'how long to retry a server that stops answering for a block of a packed data set, before the job fails',
  },
  {
    name: 'MAESTRO_SCRATCH_DIR',
    of: 'worker',
    default: 'below the data folder',
    meaning: 'folder on a local disk for snapshots of sharded state',
  },
  {
    name: 'MAESTRO_REDIS_SERVER',
    of: 'CLI, tests',
    default: 'redis-server on PATH',
    meaning: 'the Redis binary that `maestro up` starts',
  },
  { name: 'MAESTRO_FAULTS', of: 'worker', default: 'none', meaning: 'fault injection for tests: `12/reduce-scatter/kill`' },
  {
    name: 'MAESTRO_FAULT_TOLERANCE',
    of: 'coordinator, worker',
    default: 'on',
    meaning: 'off measures the cost of fault tolerance; for the benchmark only',
  },
];
