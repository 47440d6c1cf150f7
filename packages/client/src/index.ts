export { connectJobClient, type JobClient, type JobClientOptions } from './jobClient.ts';
