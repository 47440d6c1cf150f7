export { connectJobClient, type JobClient } from './jobClient.ts';
