import { expect, test } from '@jest/globals';
import { limitFailures } from './failureLimit.ts';
import { openAccess, readTokens } from './tokens.ts';

const TOKEN = 'x'.repeat(20);

test('tokens are read from lines or words; one that is malformed is told by its line, never by itself', async () => {
  const tokens = await readTokens(`# people\nanna:admin:${TOKEN}\nci:submit:with:colons:${TOKEN},w:worker:${TOKEN}1`);
  expect(tokens.map(({ name, role }) => [name, role])).toEqual([
    ['anna', 'admin'],
    ['ci', 'submit'],
    ['w', 'worker'],
  ]);
  expect(openAccess(tokens).byToken(`with:colons:${TOKEN}`, 'here').name).toBe('ci');
  for (const wrong of ['anna:root:secretsecretsecret', 'anna:admin:short', 'a b:admin:secretsecretsecret']) {
    const message = await readTokens(wrong).then(String, (error: Error) => error.message);
    expect(message).toMatch(/^MAESTRO_TOKENS, line 1/);
    expect(message).not.toContain(wrong.split(':')[2]);
  }
  await expect(readTokens('/no/such/file')).rejects.toMatchObject({ code: 'invalid-argument' });
});

test('a place is shut out after ten failures, for a minute, and no other is', () => {
  let nowMs = 0;
  const access = openAccess([], limitFailures({ now: () => nowMs }));
  const knock = (from: string): string => {
    try {
      access.byToken('wrong', from);
      return 'in';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const knocks = Array.from({ length: 12 }, () => knock('a'));
  expect(knocks).toEqual([...Array.from({ length: 10 }, () => 'unauthenticated'), 'rate-limited', 'rate-limited']);
  expect(knock('b')).toBe('unauthenticated');
  nowMs = 60_000;
  expect(knock('a')).toBe('unauthenticated');
});

test('a session ends with its time and with its token', async () => {
  const tokens = await readTokens(`anna:admin:${TOKEN}`);
  const session = openAccess(tokens).newSession({ name: 'anna', role: 'admin' }, 1000);
  expect(openAccess(tokens).bySession(session, 2000)).toEqual({ name: 'anna', role: 'admin' });
  expect(openAccess(tokens).bySession(session, 1001 + 12 * 3600 * 1000)).toBeUndefined();
  expect(openAccess(await readTokens(`anna:admin:${TOKEN}2`)).bySession(session, 2000)).toBeUndefined();
});
