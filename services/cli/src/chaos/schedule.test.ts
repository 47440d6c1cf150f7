import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PARTITIONS } from '../network/networkNames.ts';
import { NETWORK_ABILITIES, type NetworkAbility } from './abilities.ts';
import { type ChaosEvent, type ChaosOptions, chaosSchedule, MOST_JOINED, QUIET_MS, RETURN_MS } from './schedule.ts';

const options = fc.record({
  seed: fc.nat(),
  minutes: fc.double({ min: 0.1, max: 20, noNaN: true }),
  workers: fc.integer({ min: 1, max: 7 }).map((count) => Array.from({ length: count }, (_, i) => `worker-${i}`)),
  minWorkers: fc.integer({ min: 1, max: 7 }),
  failureTimeoutMs: fc.integer({ min: 500, max: 10_000 }),
  network: fc.subarray([...NETWORK_ABILITIES]),
});

/** For each event the workers that can work just after it. */
function present({ workers, failureTimeoutMs = 5000 }: ChaosOptions, events: readonly ChaosEvent[]): string[][] {
  const from = new Map(workers.map((name) => [name, 0]));
  return events.map((event) => {
    const { atMs } = event;
    if (event.kind === 'kill' || event.kind === 'join') from.set(event.worker, atMs + RETURN_MS);
    if (event.kind === 'drain') from.delete(event.worker);
    if (event.kind === 'partition') from.set(event.worker, atMs + event.forMs + RETURN_MS);
    if (event.kind === 'delay' || event.kind === 'loss' || event.kind === 'throttle') from.set(event.worker, atMs + event.forMs);
    if (event.kind === 'stop') from.set(event.worker, atMs + event.forMs + (event.forMs > failureTimeoutMs ? RETURN_MS : 0));
    return [...from].filter(([, readyMs]) => readyMs <= atMs).map(([name]) => name);
  });
}

test('the same seed gives the same schedule, and another seed another one', () => {
  const of = (seed: number) => chaosSchedule({ seed, minutes: 10, workers: ['a', 'b', 'c'], minWorkers: 1 });
  expect(of(42)).toEqual(of(42));
  expect(of(42)).not.toEqual(of(43));
});

test('events come in order, with quiet at both ends', () => {
  fc.assert(
    fc.property(options, (given) => {
      const times = chaosSchedule(given).map(({ atMs }) => atMs);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      for (const atMs of times) {
        expect(atMs).toBeGreaterThanOrEqual(QUIET_MS);
        expect(atMs).toBeLessThanOrEqual(given.minutes * 60_000 - QUIET_MS);
      }
    }),
  );
});

test('no event leaves fewer workers than asked for, and none harms a worker that is not there', () => {
  fc.assert(
    fc.property(options, (given) => {
      const events = chaosSchedule(given);
      let before = [...given.workers];
      for (const [i, after] of present(given, events).entries()) {
        const event = events[i]!;
        if (event.kind !== 'join' && event.kind !== 'restart') {
          expect(after.length).toBeGreaterThanOrEqual(given.minWorkers);
          // Present before, or back since then.
          expect(before.includes(event.worker) || events.slice(0, i).some((e) => 'worker' in e && e.worker === event.worker)).toBe(true);
        }
        before = after;
      }
    }),
  );
});

test('workers that join have new names, and there are never many of them', () => {
  fc.assert(
    fc.property(options, (given) => {
      const events = chaosSchedule(given);
      const joined = events.flatMap((event) => (event.kind === 'join' ? [event.worker] : []));
      expect(new Set([...joined, ...given.workers]).size).toBe(joined.length + given.workers.length);
      let size = given.workers.length;
      for (const { kind } of events) {
        size += kind === 'join' ? 1 : kind === 'drain' ? -1 : 0;
        expect(size).toBeLessThanOrEqual(given.workers.length + MOST_JOINED);
      }
    }),
  );
});

test('only what can be done to the network is drawn, and partitions are of every kind', () => {
  const draw = (network: readonly NetworkAbility[]) =>
    chaosSchedule({ seed: 7, minutes: 120, workers: ['a', 'b', 'c', 'd'], minWorkers: 1, network });
  const kinds = (events: readonly ChaosEvent[]) => new Set<string>(events.map(({ kind }) => kind));
  expect(kinds(draw([])).has('partition')).toBe(false);
  const narrow = draw(['partition', 'throttle']);
  expect(kinds(narrow)).toEqual(new Set(['kill', 'stop', 'join', 'drain', 'restart', 'partition', 'throttle']));
  expect(new Set(narrow.flatMap((event) => (event.kind === 'partition' ? [event.from] : [])))).toEqual(new Set(PARTITIONS));
  for (const ability of NETWORK_ABILITIES) expect(kinds(draw(NETWORK_ABILITIES))).toContain(ability);
});

test('a long schedule has every kind of event, and stops on both sides of the failure timeout, none near it', () => {
  const events = chaosSchedule({ seed: 1, minutes: 60, workers: ['a', 'b', 'c', 'd'], minWorkers: 2, failureTimeoutMs: 2000 });
  expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(['kill', 'stop', 'join', 'drain', 'restart']));
  const stops = events.flatMap((event) => (event.kind === 'stop' ? [event.forMs / 2000] : []));
  expect(stops.some((share) => share < 1)).toBe(true);
  expect(stops.some((share) => share > 1)).toBe(true);
  expect(stops.filter((share) => share > 0.6 && share < 1.3)).toEqual([]);
  expect(events.filter((event) => event.kind === 'restart' && event.process === 'redis').length).toBeGreaterThan(0);
  const calm = chaosSchedule({ seed: 1, minutes: 60, workers: ['a', 'b'], minWorkers: 2, restartable: ['coordinator'] });
  expect(calm.some((event) => event.kind === 'restart' && event.process === 'redis')).toBe(false);
});
