import { expect, test } from '@jest/globals';
import { MaestroError } from '@maestro/protocol';
import { suspectOf } from './suspectOf.ts';

const view = { members: ['a', 'b', 'c'].map((name) => ({ name, id: `${name}:1`, address: '', firstRank: 0, ranks: 1 })) };
const suspect = (details: Record<string, unknown>, of = view): string =>
  suspectOf(new MaestroError('timeout', 'no answer', { details }), of, 'a:1');

test('whoever is lost, or does not answer when a view forms, is blamed by name', () => {
  expect(suspect({ member: 'b:1' })).toBe('b');
  expect(suspect({ members: ['c:1'] })).toBe('c');
  expect(suspect({ suspect: 'c' })).toBe('c');
  expect(suspect({})).toBe('');
});

test('one that reaches none of several others blames itself; of two it is the other', () => {
  expect(suspect({ members: ['b:1', 'c:1'] })).toBe('a');
  expect(suspect({ members: ['b:1'] }, { members: view.members.slice(0, 2) })).toBe('b');
});
