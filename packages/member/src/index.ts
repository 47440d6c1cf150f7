export type { Holdings, MemberHost, OpenMemberHost, RunHandle } from './memberHost.ts';
export {
  type Deadline,
  type HostEvent,
  type Leaving,
  type MemberEffect,
  type MemberEvent,
  type MemberFacts,
  type MemberState,
  type MemberTransition,
  openingMember,
  type ReleaseRequest,
  type SessionNow,
  type ToldOfMember,
  type WorkedView,
} from './memberState.ts';
export { type Member, type StartMemberOptions, startMember } from './startMember.ts';
export { transition } from './transition.ts';
