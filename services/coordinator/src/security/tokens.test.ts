import { expect, test } from '@jest/globals';
import { failureWaitMs, limitFailures } from './failureLimit.ts';
import { openAccess, readTokens } from './tokens.ts';

const TOKEN = 'x'.repeat(20);

test('tokens are read from lines or words; one that is malformed is told by its line, never by itself', async () => {
  const tokens = await readTokens(`# people\nanna:admin:${TOKEN}\nci:submit:with:colons:${TOKEN},w:worker:${TOKEN}1`);
  expect(tokens.map(({ name, role }) => [name, role])).toEqual([
    ['anna', 'admin'],
    ['ci', 'submit'],
    ['w', 'worker'],
  ]);
  expect(await openAccess(tokens).byToken(`with:colons:${TOKEN}`, 'here')).toEqual({ name: 'ci', role: 'submit' });
  for (const wrong of ['anna:root:secretsecretsecret', 'anna:admin:short', 'a b:admin:secretsecretsecret']) {
    const message = await readTokens(wrong).then(String, (error: Error) => error.message);
    expect(message).toMatch(/^MAESTRO_TOKENS, line 1/);
    expect(message).not.toContain(wrong.split(':')[2]);
  }
  await expect(readTokens('/no/such/file')).rejects.toMatchObject({ code: 'invalid-argument' });
});

test('wrong tokens are answered later and later, of one place and of all, and a right one at once at any time', async () => {
  let nowMs = 0;
  const waits: number[] = [];
  const limit = limitFailures({ now: () => nowMs, wait: async (ms) => void waits.push(ms) });
  const access = openAccess(await readTokens(`anna:admin:${TOKEN}`), limit);
  const knock = (token: string, from: string) =>
    access.byToken(token, from).then(
      ({ name }) => name,
      ({ code }: { code: string }) => code,
    );
  for (let i = 0; i < 15; i++) {
    expect(await knock('wrong', 'a')).toBe('unauthenticated');
    expect(await knock(TOKEN, 'a')).toBe('anna');
  }
  expect(waits).toEqual([250, 500, 1000, 2000, 2000]);
  await knock('wrong', 'b');
  expect(waits).toHaveLength(5);
  nowMs = 60_000;
  await knock('wrong', 'a');
  expect(waits).toHaveLength(5);
  for (let i = 0; i < 300; i++) await knock('wrong', `place ${i}`);
  expect(waits.slice(5)).toEqual(Array.from({ length: 101 }, () => 2000));
  expect(await knock(TOKEN, 'place 1')).toBe('anna');
  expect([failureWaitMs(10, 200), failureWaitMs(10_000, 20), failureWaitMs(1, 201)]).toEqual([0, 2000, 2000]);
});

test('as many answers as may wait do, further failures are refused at once, and a right token still is let in', async () => {
  const release: (() => void)[] = [];
  const limit = limitFailures({ wait: () => new Promise((resolve) => void release.push(resolve)) });
  const access = openAccess(await readTokens(`anna:admin:${TOKEN}`), limit);
  const knocks = Array.from({ length: 30 }, () => access.byToken('wrong', 'a').catch((error: { code: string }) => error.code));
  await expect(access.byToken('wrong', 'a')).rejects.toMatchObject({ code: 'rate-limited' });
  expect(release).toHaveLength(16);
  expect((await access.byToken(TOKEN, 'a')).name).toBe('anna');
  for (const each of release) each();
  const codes = await Promise.all(knocks);
  expect(codes.filter((code) => code === 'unauthenticated')).toHaveLength(26);
  expect(codes.filter((code) => code === 'rate-limited')).toHaveLength(4);
});

test('a session ends with its time and with its token', async () => {
  const tokens = await readTokens(`anna:admin:${TOKEN}`);
  const { identity, session } = await openAccess(tokens).newSession(TOKEN, 'here', 1000);
  expect(identity).toEqual({ name: 'anna', role: 'admin' });
  expect(openAccess(tokens).bySession(session, 2000)).toEqual({ name: 'anna', role: 'admin' });
  expect(openAccess(tokens).bySession(session, 1001 + 12 * 3600 * 1000)).toBeUndefined();
  expect(openAccess(await readTokens(`anna:admin:${TOKEN}2`)).bySession(session, 2000)).toBeUndefined();
  await expect(openAccess(tokens).newSession('wrong', 'here', 1000)).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('of tokens with the same name, each session has the role of its own, in whatever order they are listed', async () => {
  const lines = [`bob:admin:${TOKEN}A`, `bob:read:${TOKEN}R`];
  for (const text of [lines.join(','), lines.toReversed().join(',')]) {
    const access = openAccess(await readTokens(text));
    for (const [token, role] of [
      [`${TOKEN}A`, 'admin'],
      [`${TOKEN}R`, 'read'],
    ] as const) {
      const { identity, session } = await access.newSession(token, 'here', 1000);
      expect(identity.role).toBe(role);
      expect(access.bySession(session, 2000)).toEqual({ name: 'bob', role });
    }
  }
  const onlyAdmin = openAccess(await readTokens(lines[0]));
  const { session } = await openAccess(await readTokens(lines.join(','))).newSession(`${TOKEN}R`, 'here', 1000);
  expect(onlyAdmin.bySession(session, 2000)).toBeUndefined();
});

test('one token with two roles is refused, and not shown', async () => {
  const message = await readTokens(`bob:admin:${TOKEN},eve:read:${TOKEN}`).then(String, (error: Error) => error.message);
  expect(message).toBe('MAESTRO_TOKENS: bob (admin) and eve (read) have the same token; use a separate token for each');
  expect(await readTokens(`bob:read:${TOKEN},eve:read:${TOKEN}`)).toHaveLength(2);
});
