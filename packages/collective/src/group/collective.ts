import type { SecureClientSessionOptions } from 'node:http2';
import { Server, type ServerCredentials, type ServerUnaryCall, type ServerWritableStream, type sendUnaryData } from '@grpc/grpc-js';
import { SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { openNative } from '@maestro/native';
import { ERROR_CODES, type ErrorCode, MaestroError } from '@maestro/protocol';
import { type AllGather, type PlanMember, planReduce, type ReducePlan } from '../plan/plan.ts';
import type { FloatVector } from '../plan/vector.ts';
import { type PulledState, type PullStateOptions, pullState } from '../state/pullState.ts';
import { openStateSource, type ServeStateOptions } from '../state/serveState.ts';
import { PORTABLE_PAYLOADS, payloadKernels } from '../wire/checksum.ts';
import type { ChunkFrame } from '../wire/codec.ts';
import { type Dialled, dial } from '../wire/dial.ts';
import { type AbortRequest, COLLECTIVE_SERVICE, type PullRequest, SERVER_OPTIONS } from '../wire/service.ts';
import { openDoor } from './door.ts';
import { Group } from './group.ts';
import type { Link, LinkEvents } from './link.ts';
import { grpcOutbound, type Outbound } from './outbound.ts';

/** Options of {@link openCollective}. */
export interface CollectiveOptions {
  /**
   * Address that peers dial: `host:port` (port 0: any free one) or `unix:path`. Without it the worker can join only views of one member.
   */
  readonly address?: string;
  /** TLS credentials for both directions. Default: none, for networks that are trusted or secured at a lower layer. */
  readonly credentials?: { readonly server: ServerCredentials; readonly client: SecureClientSessionOptions };
  /** Idle time after which a peer is pinged. Default 1000; below 100 the pings cost more than they find. */
  readonly keepaliveTimeMs?: number;
  /** Deadline for the answer to a ping; must exceed any pause of a worker's event loop. Default 1000. */
  readonly keepaliveTimeoutMs?: number;
  /** True when this worker's messages carry checksums. Received checksums are always verified. Default true. */
  readonly checksums?: boolean;
  /** `portable` does without the native library: the same bits, slower. Default `native`, where there is one. */
  readonly loops?: 'native' | 'portable';
}

/** A member of a view, with the address that its own collective reported. */
export interface GroupMember extends PlanMember {
  readonly address: string;
}

/** Options of {@link Collective.join}. */
export interface JoinOptions {
  readonly job: string;
  /** Increases with each view of a job; messages of another generation are discarded. */
  readonly generation: number;
  /** In rank order. */
  readonly members: readonly GroupMember[];
  /** Id of this member. */
  readonly self: string;
  /**
   * This member's partial sums, in the order of `treeSubtrees`; extra ones are ignored. May be in shared memory and split into segments.
   */
  readonly partials: readonly FloatVector[];
  /** Receives the sum. */
  readonly reduced: FloatVector;
  /** Number format in which the sum is gathered. Default `f32`. */
  readonly allGather?: AllGather;
  /** Scalars sent with each virtual rank. Default 0. */
  readonly scalarsPerRank?: number;
  /** Deadline for peers to join the same view. Default 30,000. */
  readonly joinTimeoutMs?: number;
  /** Deadline of one all-reduce; must exceed the spread of the members' compute times. Default 600,000. */
  readonly stepTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A worker's endpoint for all its collectives. */
export interface Collective {
  /** Address that peers dial, with the port that was bound; undefined when this worker serves nobody. */
  readonly address: string | undefined;
  /**
   * Connects to every peer of the view, in both directions, and checks that all members have the same plan. Rejects with `timeout` naming
   * the peers that did not connect, `conflict` when a peer is in another view or has another plan.
   */
  readonly join: (options: JoinOptions) => Promise<Group>;
  /**
   * Serves this member's state to peers of a view until the returned function is called; requests that arrived earlier are answered now.
   * Throws `conflict` when this view or a later one was served before.
   */
  readonly serveState: (options: ServeStateOptions) => () => void;
  /**
   * Pulls a peer's state into `into`. Rejects, with `details.member`, with `unavailable` when the peer cannot be reached, `peer-lost` when
   * the connection breaks, `conflict` when the peer does not serve that view, `protocol-violation` when sizes, a checksum or the hash
   * differ, `timeout` when the stream is idle for too long, the error of `provide`, or the signal's reason. The contents of `into` are
   * undefined after an error; the caller starts over.
   */
  readonly pullState: (options: PullStateOptions) => Promise<PulledState>;
  /** Ends all groups, stops serving and pulling, and closes the server. */
  readonly close: () => Promise<void>;
}

/** A view that this worker has joined or is joining. */
interface Membership {
  readonly job: string;
  readonly generation: number;
  readonly self: string;
  readonly plan: ReducePlan;
  readonly events: LinkEvents;
  readonly pulls: Map<string, Outbound>;
  readonly group: Group;
  arrived: () => void;
}

/** Limits the pulls that wait for this worker to join the view they name. */
const MOST_EARLY_PULLS = 256;

/** Opens a worker's endpoint for collectives; see {@link Collective}. Rejects with `unavailable` when the address cannot be bound. */
export async function openCollective({
  address,
  credentials,
  keepaliveTimeMs = 1000,
  keepaliveTimeoutMs = 1000,
  checksums = true,
  loops = 'native',
}: CollectiveOptions = {}): Promise<Collective> {
  const connection = {
    keepalive: { timeMs: keepaliveTimeMs, timeoutMs: keepaliveTimeoutMs },
    ...(credentials !== undefined && { tls: credentials.client }),
  };
  const payloads = loops === 'native' ? payloadKernels(openNative()?.exchange) : PORTABLE_PAYLOADS;
  const memberships = new Set<Membership>();
  const early = new Set<Outbound>();
  const newest = new Map<string, number>();

  const closing = new AbortController();
  const states = openStateSource({ isOver: (job, generation) => generation < (newest.get(job) ?? -1) });

  const admit = (call: Outbound): void => {
    const { job, generation, member } = call.request;
    const membership = [...memberships].find((candidate) => candidate.job === job && candidate.generation === generation);
    const isEarly = membership === undefined && generation > (newest.get(job) ?? -1) && early.size < MOST_EARLY_PULLS;
    if (isEarly) {
      early.add(call);
      call.onClosed(() => early.delete(call));
      return;
    }
    const objection = membership === undefined ? 'this worker is not in that view, or no more' : whyRefused(call.request, membership);
    if (membership === undefined || objection !== undefined) {
      const message = `Pull by ${member} of ${call.request.target} (job ${job}, generation ${generation}): ${objection}`;
      call.refuse(new MaestroError('conflict', message));
      return;
    }
    const index = membership.plan.members.findIndex(({ id }) => id === member);
    membership.pulls.set(member, call);
    call.onClosed((reason) => membership.events.outboundClosed(index, reason));
    call.accept();
    membership.arrived();
  };

  const takeAbort = (request: AbortRequest): void => {
    for (const { job, generation, plan, events } of memberships) {
      const index = plan.members.findIndex(({ id }) => id === request.member);
      if (job !== request.job || generation !== request.generation || index < 0) continue;
      const code: ErrorCode = Object.hasOwn(ERROR_CODES, request.code) ? (request.code as ErrorCode) : 'protocol-violation';
      events.aborted(index, { code, message: request.message, ...(request.lost !== '' && { lost: request.lost }) });
    }
  };

  const server = address === undefined ? undefined : new Server(SERVER_OPTIONS);
  server?.addService(COLLECTIVE_SERVICE, {
    Pull: (call: ServerWritableStream<PullRequest, ChunkFrame>) => admit(grpcOutbound(call)),
    Abort: ({ request }: ServerUnaryCall<AbortRequest, object>, reply: sendUnaryData<object>) => {
      takeAbort(request);
      reply(null, {});
    },
    PullState: states.admit,
  });
  const members = { pull: admit, abort: takeAbort };
  const door = server === undefined ? undefined : await openDoor({ server, address: address!, credentials: credentials?.server, members });

  const join = async (view: JoinOptions): Promise<Group> => {
    const {
      job,
      generation,
      members,
      self,
      joinTimeoutMs = 30_000,
      scalarsPerRank = 0,
      allGather = 'f32',
      stepTimeoutMs = 600_000,
      signal,
    } = view;
    const plan = planReduce({ members, length: vectorLength(view.reduced), blockSize: SUM_SQUARES_BLOCK, allGather });
    const index = members.findIndex(({ id }) => id === self);
    if (index < 0) throw new MaestroError('invalid-argument', `join: ${self} is not a member of generation ${generation}`);
    if (generation <= (newest.get(job) ?? -1)) {
      throw new MaestroError('conflict', `join: generation ${generation} of job ${job} has ended; the newest is ${newest.get(job)}`);
    }
    if (members.length > 1 && server === undefined) {
      throw new MaestroError('invalid-argument', `join: peers cannot reach ${self}; open the collective with a listen address`);
    }
    const group = new Group({
      plan,
      self: index,
      generation,
      partials: view.partials,
      reduced: view.reduced,
      scalarsPerRank,
      checksums,
      payloads,
      stepTimeoutMs,
    });
    const membership: Membership = { job, generation, self, plan, events: group.events, pulls: new Map(), group, arrived: () => {} };
    newest.set(job, generation);
    memberships.add(membership);
    group.signal.addEventListener('abort', () => memberships.delete(membership), { once: true });
    const pulled = new Promise<void>((resolve) => {
      membership.arrived = () => membership.pulls.size === members.length - 1 && resolve();
      membership.arrived();
    });
    for (const call of early) {
      if (call.request.job !== job || call.request.generation > generation) continue;
      early.delete(call);
      admit(call);
    }

    const deadline = AbortSignal.timeout(joinTimeoutMs);
    const stop = AbortSignal.any([deadline, group.signal, ...(signal ? [signal] : [])]);
    const dialled: (Dialled | undefined)[] = members.map((member, peer) =>
      peer === index
        ? undefined
        : dial({
            member,
            peer,
            request: { job, generation, member: self, target: member.id, plan: plan.digest },
            events: group.events,
            connection,
          }),
    );
    try {
      await unlessAborted(Promise.all([pulled, ...dialled.map((peer) => peer?.connected)]), stop);
    } catch (error) {
      memberships.delete(membership);
      for (const peer of dialled) peer?.close();
      for (const call of membership.pulls.values()) call.end();
      await group.close();
      if (!deadline.aborted) throw error;
      const missing = members.filter(({ id }, peer) => id !== self && !(membership.pulls.has(id) && dialled[peer]?.isConnected()));
      const names = missing.map((member) => `${member.id} at ${member.address}`).join(', ');
      throw new MaestroError('timeout', `join: no answer within ${joinTimeoutMs} ms from ${names} (job ${job}, generation ${generation})`, {
        details: { members: missing.map(({ id }) => id), generation },
      });
    }
    const links = dialled.map((peer, i): Link | undefined => peer && openLink(peer, membership.pulls.get(members[i]!.id)!));
    group.connect(links);
    return group;
  };

  return {
    address: door?.address,
    join,
    serveState: states.serve,
    pullState: ({ signal, ...options }) => {
      const stop = signal === undefined ? closing.signal : AbortSignal.any([closing.signal, signal]);
      return pullState({ ...options, signal: stop }, connection);
    },
    close: async () => {
      closing.abort(new MaestroError('cancelled', 'pullState: the collective is closed'));
      states.close();
      await Promise.all([...memberships].map(({ group }) => group.close()));
      memberships.clear();
      for (const call of early) call.end();
      await door?.close();
    },
  };
}

/** Returns the reason to refuse a pull in a view that this worker has joined; undefined when it can be served. */
function whyRefused({ member, target, plan }: PullRequest, membership: Membership): string | undefined {
  if (target !== membership.self) return `this worker is ${membership.self}`;
  if (plan !== membership.plan.digest) return 'it planned with other members, virtual ranks or vector length';
  if (member === membership.self || !membership.plan.members.some(({ id }) => id === member)) return 'it is not a peer in that view';
  return membership.pulls.has(member) ? 'it pulls already' : undefined;
}

/** Combines the two streams of a peer into one link. */
function openLink(inbound: Dialled, outbound: Outbound): Link {
  return {
    send: outbound.send,
    resume: inbound.resume,
    abort: inbound.abort,
    close: () => {
      outbound.end();
      inbound.close();
    },
  };
}

function vectorLength(vector: FloatVector): number {
  return vector instanceof Float32Array ? vector.length : vector.reduce((sum, segment) => sum + segment.length, 0);
}

/** Settles as `promise` does, or rejects with the reason of `signal` when it aborts first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
