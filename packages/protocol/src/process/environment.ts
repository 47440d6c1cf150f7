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
    meaning: 'folder for checkpoints, artifacts and logs; the same for coordinator and workers',
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
    name: 'MAESTRO_CHECKPOINTS',
    of: 'coordinator, worker, CLI',
    default: 'below the data folder',
    meaning: 'where jobs keep checkpoints unless their file says otherwise: an absolute path, or s3://bucket/prefix',
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
    default: 'none: nobody is asked, and only loopback is listened on',
    meaning:
      'who may do what: `name:role:token`, with newlines or commas between, or the path of a file of such lines. Roles: admin, ' +
      'submit, read, worker',
  },
  { name: 'MAESTRO_TOKEN', of: 'worker, CLI, client', default: 'none', meaning: 'the token that it shows; a worker needs the role worker' },
  {
    name: 'MAESTRO_TLS_CERT',
    of: 'all',
    default: 'none: plain connections',
    meaning: 'PEM certificate; with key and CA, services talk over mutual TLS and HTTP becomes HTTPS',
  },
  { name: 'MAESTRO_TLS_KEY', of: 'all', default: 'none', meaning: 'PEM private key of the certificate' },
  {
    name: 'MAESTRO_TLS_CA',
    of: 'all',
    default: 'none',
    meaning: 'PEM certificate of the authority that peers must have theirs from; `maestro certs init` makes one',
  },
  {
    name: 'MAESTRO_TRUSTED_NETWORK',
    of: 'coordinator, worker',
    default: 'none',
    meaning:
      'networks such as 172.16.0.0/12, with commas between, that nobody but this cluster can reach: listening there needs no protection',
  },
  {
    name: 'MAESTRO_DATA_ROOTS',
    of: 'coordinator, worker',
    default: 'any folder',
    meaning:
      'folders and addresses (s3://bucket/prefix, https://host/path), with colons between, that the data and checkpoints of a job ' +
      'must lie in; the data folder and MAESTRO_CHECKPOINTS always are',
  },
  {
    name: 'MAESTRO_RECONSTRUCTION_SECONDS',
    of: 'coordinator',
    default: '15',
    meaning: "how often, at most, a job's newest checkpoint is drawn for people who watch; 0 draws nothing",
  },
  { name: 'MAESTRO_COORDINATOR', of: 'worker, CLI', default: '127.0.0.1:7070', meaning: "host:port of the coordinator's gRPC" },
  { name: 'MAESTRO_WORKER_NAME', of: 'worker', default: 'host name and process id', meaning: 'its name; no two have the same' },
  { name: 'MAESTRO_DEVICE', of: 'worker', default: 'cpu', meaning: 'cpu, cuda or webgpu' },
  {
    name: 'MAESTRO_ENGINE',
    of: 'worker',
    default: 'auto',
    meaning:
      'who calls ONNX Runtime: `node` (onnxruntime-node), or `capi` (its C API, which keeps state on a device); auto is node on a cpu',
  },
  {
    name: 'MAESTRO_RESIDENT',
    of: 'worker',
    default: 'on for a device, off for a cpu',
    meaning:
      'whether parameters, moments and gradients stay where the `capi` engine computes: off leaves more of the GPU free, and is slower',
  },
  { name: 'MAESTRO_CUDA_DEVICE', of: 'worker', default: '0', meaning: 'which GPU, as CUDA counts them' },
  {
    name: 'MAESTRO_CUDA_MEMORY_BYTES',
    of: 'worker',
    default: 'all',
    meaning: "the most that ONNX Runtime's arena takes of the GPU's memory",
  },
  {
    name: 'MAESTRO_CUDA_TF32',
    of: 'worker',
    default: 'off',
    meaning: 'on lets matrix products round to TF32: faster, and no longer float32',
  },
  {
    name: 'MAESTRO_CUDA_DETERMINISTIC',
    of: 'worker',
    default: 'on',
    meaning: 'off allows kernels whose sums depend on the order of threads',
  },
  { name: 'MAESTRO_THREADS', of: 'worker', default: '1', meaning: "threads of one run of the training graph; part of a job's identity" },
  { name: 'MAESTRO_COLLECTIVE_LISTEN', of: 'worker', default: '127.0.0.1:0', meaning: 'host:port at which other workers reach it' },
  { name: 'MAESTRO_COLLECTIVE_ADVERTISE', of: 'worker', default: 'where it listens', meaning: 'the address that other workers are told' },
  {
    name: 'MAESTRO_METRICS_LISTEN',
    of: 'worker',
    default: 'none',
    meaning:
      'host:port at which it serves its own metrics for Prometheus, and `/healthz` and `/readyz`: whether it lives, and whether a ' +
      'coordinator has it',
  },
  {
    name: 'MAESTRO_FAILURE_TIMEOUT_MS',
    of: 'coordinator, worker',
    default: '5000',
    meaning: 'how long a process may be silent; every deadline of failure detection follows from it',
  },
  {
    name: 'MAESTRO_KEEP_JOBS',
    of: 'coordinator',
    default: '1000',
    meaning:
      'so many jobs that have ended are listed, those that ended last; older ones are found by their whole id, and their records are ' +
      'in `records/retired` of the data folder',
  },
  {
    name: 'MAESTRO_PREPARE_SECONDS',
    of: 'coordinator',
    default: '900',
    meaning:
      "how long a worker may take to open a job's data and model; then it does not get the job, and where no worker could, the job fails",
  },
  {
    name: 'MAESTRO_CACHE_DIR',
    of: 'worker',
    default: 'below the data folder',
    meaning: 'folder on a local disk for parts of packed data sets that lie elsewhere; workers of a machine can share it',
  },
  {
    name: 'MAESTRO_MAX_IMAGE_PIXELS',
    of: 'worker, coordinator, CLI',
    default: '100000000',
    meaning:
      'pixels (width x height) that an image may have; one with more is broken, and left out. Decoding takes up to 3 bytes a pixel ' +
      '(6 of 16-bit images) in each loader thread. The same for all workers: it is part of the identity of a job',
  },
  {
    name: 'MAESTRO_CACHE_SIZE',
    of: 'worker',
    default: '10GB',
    meaning: 'what that folder may take, whoever shares it; what was used longest ago goes first. 0 keeps nothing',
  },
  {
    name: 'MAESTRO_DATA_PATIENCE_SECONDS',
    of: 'worker',
    default: '300',
    meaning: 'for how long a server that stops answering is asked again for a part of a packed data set, before the job fails',
  },
  {
    name: 'MAESTRO_SCRATCH_DIR',
    of: 'worker',
    default: 'below the data folder',
    meaning: "folder on a local disk for what a worker keeps of others' state",
  },
  {
    name: 'MAESTRO_REDIS_SERVER',
    of: 'CLI, tests',
    default: 'redis-server of the path',
    meaning: 'the Redis program that `maestro up` starts',
  },
  { name: 'MAESTRO_FAULTS', of: 'worker', default: 'none', meaning: 'faults that it does to itself, for tests: `12/reduce-scatter/kill`' },
  {
    name: 'MAESTRO_FAULT_TOLERANCE',
    of: 'coordinator, worker',
    default: 'on',
    meaning: 'off shows what surviving failures costs; for the bench alone',
  },
];
