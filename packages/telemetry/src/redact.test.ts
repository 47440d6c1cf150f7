import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createLogger, redactLine } from './index.ts';

const SECRET = 'hunter2-hunter2';

test.each([
  ['the password of a URL', { redis: `redis://default:${SECRET}@cache:6379/0` }],
  ['a URL inside an error message', { error: new Error(`cannot reach redis://:${SECRET}@cache:6379`) }],
  ['the password of a Redis with characters that end one in a URL', { redis: `redis://me:${SECRET}/x?#${SECRET}@cache:6379` }],
  ['the password of a URL without slashes', { error: new Error(`connect ENOENT redis:me:${SECRET}@cache`) }],
  ['a secret field', { password: SECRET }],
  ['a secret field at any depth, with a prefix', { a: { b: [{ redis_password: SECRET, clientSecret: SECRET }] } }],
  ['an access token', { accessToken: SECRET, token: SECRET, 'api-key': SECRET }],
  ['an authorization header', { headers: { authorization: `Bearer ${SECRET}`, cookie: SECRET } }],
  ['a bearer token in text', { text: `sent Authorization: Bearer ${SECRET}` }],
  ['JSON quoted in text', { body: JSON.stringify({ user: 'u', password: SECRET }) }],
])('%s does not reach the log', (_, fields) => {
  let line = '';
  createLogger({ role: 'test', destination: { write: (text) => (line = text) } }).info(fields, 'phrase');
  expect(line).not.toContain(SECRET);
  expect(line).toContain('[redacted]');
  expect(JSON.parse(line).msg).toBe('phrase');
});

test('the words of this field stay: tokens, mask tokens, authors and addresses', () => {
  const line = JSON.stringify({ tokens: '49', maskToken: 'm', url: 'http://host:80/a@b', author: 'a@b.c', keys: 'x' });
  expect(redactLine(line)).toBe(line);
});

test('what goes in as JSON comes out as JSON with the same keys, whatever the values hold', () => {
  const fields = fc.dictionary(
    fc.constantFrom('password', 'token', 'url', 'x', 'secret'),
    fc.oneof(fc.string({ unit: 'binary' }), fc.json()),
  );
  fc.assert(
    fc.property(fields, (value) => {
      expect(Object.keys(JSON.parse(redactLine(JSON.stringify(value))))).toEqual(Object.keys(value));
    }),
    { numRuns: 300 },
  );
});
