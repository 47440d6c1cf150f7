export { readEvictionRisk, requireNoEviction } from './evictionPolicy.ts';
export { connectRedis, type RedisConnection } from './redisConnection.ts';
export { type RedisServer, startRedisServer } from './redisServer.ts';
export { requireRedisUrl } from './redisUrl.ts';
