export type { Holdings, MemberHost, OpenMemberHost, RunHandle } from './memberHost.ts';
export type {
  Deadline,
  HostEvent,
  Leaving,
  MemberEffect,
  MemberEvent,
  MemberFacts,
  MemberState,
  MemberTransition,
  ReleaseRequest,
  SessionNow,
  ToldOfMember,
  WorkedView,
} from './memberState.ts';
export { type Member, type StartMemberOptions, startMember } from './startMember.ts';
export { transition } from './transition.ts';
