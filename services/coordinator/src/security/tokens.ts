import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errorMessage, isAllowed, MaestroError, ROLES, type Role } from '@maestro/protocol';
import { type FailureLimit, limitFailures } from './failureLimit.ts';

/** Who asks. */
export interface Identity {
  readonly name: string;
  readonly role: Role;
}

/** A token that is known; the token itself is kept as its hash alone. */
export interface KnownToken extends Identity {
  readonly hash: Buffer;
}

/** Characters of a token, at least: what `openssl rand -hex 16` gives. */
const FEWEST_CHARACTERS = 16;
const SESSION_MS = 12 * 3600 * 1000;

/** Decides who may come in. */
export interface Access {
  /** Whether nobody is asked for a token. */
  readonly isOpen: boolean;
  /**
   * Whose token this is; `from` is where it comes from, for the count of failures.
   * @throws MaestroError `unauthenticated`, or `rate-limited` after too many failures from there.
   */
  byToken(token: string, from: string): Identity;
  /** A value for a cookie that stands for the identity for twelve hours; it ends at once when the token is withdrawn. */
  newSession(identity: Identity, nowMs: number): string;
  /** Undefined when it is none of ours, or too old. */
  bySession(session: string, nowMs: number): Identity | undefined;
}

/**
 * Reads `MAESTRO_TOKENS`: lines (or words) `name:role:token`, or the path of a file of such lines.
 * @throws MaestroError `invalid-argument`; the message shows no token.
 */
export async function readTokens(text: string | undefined): Promise<KnownToken[]> {
  if (text === undefined || text.trim() === '') return [];
  const isFile = /^[./]/.test(text.trim());
  const content = isFile ? await readTokenFile(text.trim()) : text;
  const lines = content.split(/[\n,]/).map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseToken);
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
    throw new MaestroError('invalid-argument', `${where}: expected name:role:token, with letters and digits for a name`);
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

/** Opens the door for the tokens; without any, for everybody. */
export function openAccess(tokens: readonly KnownToken[], limit: FailureLimit = limitFailures()): Access {
  const sign = ({ hash }: KnownToken, body: string): Buffer => createHmac('sha256', hash).update(body).digest();
  return {
    isOpen: tokens.length === 0,
    byToken(token, from) {
      limit.require(from);
      const hash = sha256(token);
      // Every token is compared, so that the time tells nothing.
      const found = tokens.filter((known) => timingSafeEqual(known.hash, hash))[0];
      if (found === undefined) {
        limit.failed(from);
        throw new MaestroError('unauthenticated', 'the token is not known; give one that the coordinator lists in MAESTRO_TOKENS');
      }
      return { name: found.name, role: found.role };
    },
    newSession({ name }, nowMs) {
      const known = tokens.find((each) => each.name === name)!;
      const body = `${name}.${nowMs + SESSION_MS}`;
      return `${body}.${sign(known, body).toString('base64url')}`;
    },
    bySession(session, nowMs) {
      const [, body, name, end, mac] = /^(([\w.-]+)\.(\d{1,15}))\.([\w-]{43})$/.exec(session) ?? [];
      const known = tokens.find((each) => each.name === name);
      if (body === undefined || known === undefined || Number(end) < nowMs) return undefined;
      const given = Buffer.from(mac!, 'base64url');
      const expected = sign(known, body);
      return given.length === expected.length && timingSafeEqual(given, expected) ? { name: known.name, role: known.role } : undefined;
    },
  };
}

/** @throws MaestroError `permission-denied` unless the identity's role is enough. */
export function requireRole({ name, role }: Identity, needed: Role): void {
  if (!isAllowed(role, needed)) throw new MaestroError('permission-denied', `${name} has the role ${role}; this needs ${needed}`);
}

/** The token of an `Authorization` header. */
export function bearerToken(header: string): string {
  const [, token] = /^bearer +(\S+) *$/i.exec(header) ?? [];
  if (token === undefined) throw new MaestroError('unauthenticated', 'authorization: expected `Bearer TOKEN`');
  return token;
}
