export { connectJobClient, type JobClient, type JobClientOptions } from './jobClient.ts';
export type { JobLogLine, TailLogsOptions } from './tailLogs.ts';
