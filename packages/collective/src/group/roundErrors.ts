import { MaestroError } from '@maestro/protocol';
import type { ChunkMessage } from '../wire/codec.ts';
import type { Peer, Waiting } from './peer.ts';
import type { RoundPosition } from './round.ts';

/** Step and generation in which an error occurred. */
export interface RoundPlace {
  readonly step: number;
  readonly generation: number;
}

/** Formats a place as `step 17, generation 2`. */
export function placeText({ step, generation }: RoundPlace): string {
  return `step ${step}, generation ${generation}`;
}

/** Error for a call that does not fit the group. */
export function invalidCall(message: string): MaestroError {
  return new MaestroError('invalid-argument', `allReduce: ${message}`);
}

/** Error for a lost peer; `waiting` gives the phase. */
export function peerLost({ id, gone }: Peer, waiting: readonly Waiting[], place: RoundPlace): MaestroError {
  const phase = waiting.find(({ member }) => member === id)?.phase ?? 'between steps';
  const message = `allReduce: lost ${id} in ${phase} (${placeText(place)}): ${gone}`;
  return new MaestroError('peer-lost', message, { details: { member: id, phase, ...place } });
}

/** Error for a round that exceeded its deadline. */
export function roundTimeout(afterMs: number, waiting: readonly Waiting[], place: RoundPlace): MaestroError {
  const list = waiting.map(({ member, phase, done, due }) => `${member} at ${phase} (${done} of ${due} messages)`).join(', ');
  const message = `allReduce: not done after ${afterMs} ms, waiting for ${list || 'this member'} (${placeText(place)})`;
  return new MaestroError('timeout', message, { details: { waiting, ...place } });
}

/** Error for a peer that is in another step or kind of round than this member. */
export function otherRound(peer: Peer, { step, kind }: RoundPosition, generation: number): MaestroError {
  const found = `${peer.id} is at step ${peer.step} in ${peer.kind.op}`;
  const message = `allReduce: ${found}, this member at step ${step} in ${kind.op} (generation ${generation})`;
  return new MaestroError('protocol-violation', message, { details: { member: peer.id, step, generation } });
}

/** Error for a message that the plan does not expect at this point. */
export function unexpectedMessage({ kind, step, slot, first, values, payload }: ChunkMessage): MaestroError {
  const found = `${kind} of step ${step}, slot ${slot}, first element ${first}, ${values.length} values, ${payload.length} bytes`;
  return new MaestroError('protocol-violation', `not the message that is due: ${found}`);
}

/** Error for a message whose bytes do not match its sender's checksum. */
export function corruptMessage({ kind, step, first, payload, checksum }: ChunkMessage, found: bigint): MaestroError {
  const message =
    `${kind} of step ${step}, first element ${first}, ${payload.length} bytes: checksum ${found.toString(16)}, its ` +
    `sender's is ${checksum!.toString(16)}`;
  return new MaestroError('protocol-violation', message, { details: { corrupt: true } });
}
