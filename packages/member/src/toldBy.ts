import type { View } from '@maestro/protocol';
import type { MemberState, ToldOfMember } from './memberState.ts';
import { suspectOf } from './suspectOf.ts';

/** What a member says of itself when it tells where it stands. */
export function toldBy({ jobId, self, generation, status, stateHash, reports, failure, worked }: MemberState): ToldOfMember {
  return {
    jobId,
    generation,
    status,
    stateHash,
    reports,
    errorCode: failure?.code ?? '',
    errorMessage: withNames(failure?.message ?? '', worked?.view),
    suspect: failure === undefined || worked === undefined ? '' : suspectOf(failure, worked.view, self),
  };
}

/** Ids are for programs: people know members by name. */
function withNames(message: string, view: View | undefined): string {
  return (view?.members ?? []).reduce((text, { id, name }) => text.replaceAll(id, name), message);
}
