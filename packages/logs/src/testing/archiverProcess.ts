import { connectRedis } from '@maestro/redis';
import { createLogger } from '@maestro/telemetry';
import { openLogArchive } from '../archive/logArchive.ts';

// An archive in a separate process, for tests that kill it: `node archiverProcess.js REDIS_URL DATA_DIR`.
const [redisUrl, dataDir] = process.argv.slice(2) as [string, string];
const redis = await connectRedis(redisUrl, { timeoutMs: 5000 });
await openLogArchive({ dataDir, redis, log: createLogger({ role: 'coordinator', destination: 'stderr' }), segmentBytes: 100_000 });
process.send?.('ready');
