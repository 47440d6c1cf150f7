import { errorMessage, MaestroError } from '../errors.ts';

const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/EADDRINUSE/, 'another process listens there (EADDRINUSE), such as another coordinator or worker; end it, or choose another port'],
  [/EACCES/, 'this user may not (EACCES); ports below 1024 are for root'],
  [/EADDRNOTAVAIL/, 'this machine has no such address (EADDRNOTAVAIL)'],
  [/ENOTFOUND|EAI_AGAIN/, 'that name has no address (ENOTFOUND)'],
];

/** Error for an address that cannot be bound, with advice; `variable` is the one that sets the address. */
export function listenError(address: string, cause: unknown, at: { readonly what: string; readonly variable: string }): MaestroError {
  const said = errorMessage(cause);
  const why = REASONS.find(([pattern]) => pattern.test(said))?.[1] ?? said;
  return new MaestroError('unavailable', `cannot listen at ${address} for ${at.what}: ${why}; ${at.variable} says where`, { cause });
}
