import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errorMessage, isAllowed, MaestroError, ROLES, type Role } from '@maestro/protocol';
import { type FailureLimit, limitFailures } from './failureLimit.ts';

/** An authenticated caller. */
export interface Identity {
  readonly name: string;
  readonly role: Role;
}

/** A known token, of which only the hash is kept. Names are for people: several tokens may have the same. */
export interface KnownToken extends Identity {
  readonly hash: Buffer;
}

/** Minimum characters of a token: the output of `openssl rand -hex 16`. */
const FEWEST_CHARACTERS = 16;
const SESSION_MS = 12 * 3600 * 1000;

/** Authenticates callers. */
export interface Access {
  /** True when authentication is disabled. */
  readonly isOpen: boolean;
  /**
   * Returns the identity of a token. A known one is accepted at once, whatever was tried before; the refusal of another may take seconds.
   * `from` is the caller's address, for counting failures.
   * @throws MaestroError `unauthenticated`, or `rate-limited` when too many failures wait already.
   */
  byToken(token: string, from: string): Promise<Identity>;
  /** Like {@link byToken}, with a cookie value that stands for this token for twelve hours; it ends at once when the token is withdrawn. */
  newSession(token: string, from: string, nowMs: number): Promise<{ readonly identity: Identity; readonly session: string }>;
  /** Returns the identity of a session; undefined when it is not ours, or expired. */
  bySession(session: string, nowMs: number): Identity | undefined;
}

/**
 * Parses `MAESTRO_TOKENS`: lines (or words) `name:role:token`, or the path of a file of such lines.
 * @throws MaestroError `invalid-argument`; the message shows no token.
 */
export async function readTokens(text: string | undefined): Promise<KnownToken[]> {
  if (text === undefined || text.trim() === '') return [];
  const isFile = /^[./]/.test(text.trim());
  const content = isFile ? await readTokenFile(text.trim()) : text;
  const lines = content.split(/[\n,]/).map((line) => line.trim());
  const tokens = lines.map((line, index) => ({ line, index })).filter(({ line }) => line !== '' && !line.startsWith('#'));
  const known = tokens.map(({ line, index }) => parseToken(line, index));
  requireOneRole(known);
  return known;
}

/** Requires one role per token; which of two was meant is unknown. */
function requireOneRole(tokens: readonly KnownToken[]): void {
  for (const [index, { name, role, hash }] of tokens.entries()) {
    const other = tokens.slice(0, index).find((each) => each.hash.equals(hash) && each.role !== role);
    if (other === undefined) continue;
    throw new MaestroError(
      'invalid-argument',
      `MAESTRO_TOKENS: ${other.name} (${other.role}) and ${name} (${role}) have the same token; use a separate token for each`,
    );
  }
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new MaestroError('invalid-argument', `MAESTRO_TOKENS: cannot read ${path}: ${errorMessage(cause)}`, { cause });
  }
}

function parseToken(line: string, index: number): KnownToken {
  const [name = '', role = '', ...rest] = line.split(':');
  const token = rest.join(':');
  const where = `MAESTRO_TOKENS, line ${index + 1}`;
  if (!/^[\w.-]{1,64}$/.test(name))
    throw new MaestroError('invalid-argument', `${where}: expected name:role:token, with letters and digits in the name`);
  if (!(ROLES as readonly string[]).includes(role))
    throw new MaestroError('invalid-argument', `${where} (${name}): the role is one of ${ROLES.join(', ')}`);
  if (token.length < FEWEST_CHARACTERS || /\s/.test(token)) {
    throw new MaestroError(
      'invalid-argument',
      `${where} (${name}): a token has at least ${FEWEST_CHARACTERS} characters and no blanks; \`openssl rand -hex 24\` makes one`,
    );
  }
  return { name, role: role as Role, hash: sha256(token) };
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Opens access by these tokens; without any, for everybody. */
export function openAccess(tokens: readonly KnownToken[], limit: FailureLimit = limitFailures()): Access {
  // The key is derived from the token, so a session belongs to exactly one token, whatever their names.
  const sign = ({ hash }: KnownToken, end: string): Buffer => createHmac('sha256', hash).update(`session.${end}`).digest();
  const identityOf = ({ name, role }: KnownToken): Identity => ({ name, role });
  const find = async (token: string, from: string): Promise<KnownToken> => {
    const hash = sha256(token);
    // Every token is compared, so that the time reveals nothing.
    const found = tokens.filter((known) => timingSafeEqual(known.hash, hash))[0];
    if (found !== undefined) return found;
    await limit.failed(from);
    throw new MaestroError('unauthenticated', "the token is not known; use one from the coordinator's MAESTRO_TOKENS");
  };
  return {
    isOpen: tokens.length === 0,
    byToken: async (token, from) => identityOf(await find(token, from)),
    async newSession(token, from, nowMs) {
      const known = await find(token, from);
      const end = String(nowMs + SESSION_MS);
      return { identity: identityOf(known), session: `${end}.${sign(known, end).toString('base64url')}` };
    },
    bySession(session, nowMs) {
      const [, end, mac] = /^(\d{1,15})\.([\w-]{43})$/.exec(session) ?? [];
      if (end === undefined || Number(end) < nowMs) return undefined;
      const given = Buffer.from(mac!, 'base64url');
      const found = tokens.filter((known) => timingSafeEqual(sign(known, end), given))[0];
      return found && identityOf(found);
    },
  };
}

/** @throws MaestroError `permission-denied` unless the identity's role is enough. */
export function requireRole({ name, role }: Identity, needed: Role): void {
  if (!isAllowed(role, needed)) throw new MaestroError('permission-denied', `${name} has the role ${role}; this needs ${needed}`);
}

/** Returns the token of an `Authorization` header. */
export function bearerToken(header: string): string {
  const [, token] = /^bearer +(\S+) *$/i.exec(header) ?? [];
  if (token === undefined) throw new MaestroError('unauthenticated', 'authorization: expected `Bearer TOKEN`');
  return token;
}
