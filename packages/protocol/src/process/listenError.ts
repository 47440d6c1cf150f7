import { errorMessage, MaestroError } from '../errors.ts';

const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/EADDRINUSE/, 'the port is in use (EADDRINUSE), for example by another coordinator or worker; stop it, or choose another port'],
  [/EACCES/, 'permission denied (EACCES); ports below 1024 need root'],
  [/EADDRNOTAVAIL/, 'this machine has no such address (EADDRNOTAVAIL)'],
  [/ENOTFOUND|EAI_AGAIN/, 'the host name does not resolve (ENOTFOUND)'],
];

/** Error for an address that cannot be bound, with advice; `variable` is the one that sets the address. */
export function listenError(address: string, cause: unknown, at: { readonly what: string; readonly variable: string }): MaestroError {
  const said = errorMessage(cause);
  const why = REASONS.find(([pattern]) => pattern.test(said))?.[1] ?? said;
  return new MaestroError('unavailable', `cannot listen on ${address} for ${at.what}: ${why}; set the address with ${at.variable}`, {
    cause,
  });
}
