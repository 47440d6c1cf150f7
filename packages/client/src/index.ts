export { connectJobClient, type JobClient } from './jobClient.ts';
export type { JobLogLine, TailLogsOptions } from './tailLogs.ts';
