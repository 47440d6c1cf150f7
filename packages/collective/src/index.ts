export { type Collective, type CollectiveOptions, type GroupMember, type JoinOptions, openCollective } from './collective.ts';
export { crc32 } from './crc32.ts';
export type { AllReduceResult, Group } from './group.ts';
export type { MemberState } from './outboundState.ts';
export type { Waiting } from './peer.ts';
export {
  type Addition,
  type AddProgram,
  type AllGather,
  type Chunk,
  type Partial,
  type PlanMember,
  type PlanOptions,
  planReduce,
  type ReducePlan,
} from './plan.ts';
export type { PulledState, PullStateOptions } from './pullState.ts';
export { NO_TIMES, type RoundTimes } from './roundTimes.ts';
export type { ServeStateOptions } from './serveState.ts';
export type { StateRangeRequest } from './service.ts';
export { type LocalProgram, type LocalStep, maxPartials, type RankRange, treeHeight, treeSubtrees } from './tree.ts';
export type { FloatVector } from './vector.ts';
