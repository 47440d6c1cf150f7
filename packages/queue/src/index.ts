export { type Lease, listShardGenerations, loadBullmq, openShardQueue, type ShardDepth, type ShardQueue } from './shardQueue.ts';
