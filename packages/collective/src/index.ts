export { type Collective, type CollectiveOptions, type GroupMember, type JoinOptions, openCollective } from './group/collective.ts';
export type { AllReduceResult, Group } from './group/group.ts';
export type { Waiting } from './group/peer.ts';
export type { RoundTimes } from './group/roundTimes.ts';
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
} from './plan/plan.ts';
export { type LocalProgram, type LocalStep, maxPartials, type RankRange, treeHeight, treeSubtrees } from './plan/tree.ts';
export type { FloatVector } from './plan/vector.ts';
export type { PulledState, PullStateOptions } from './state/pullState.ts';
export type { ServeStateOptions } from './state/serveState.ts';
export type { MemberState } from './taps/outboundState.ts';
export type { StateRangeRequest } from './wire/service.ts';
