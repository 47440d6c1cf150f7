import { expect, test } from '@jest/globals';
import type { StepCommitted, StepTimes, View } from '@maestro/protocol';
import type { ViewTraffic } from '../view/viewTraffic.ts';
import { openMemberActivity } from './memberActivity.ts';

const view = {
  jobId: 'job-1',
  generation: 3,
  members: [
    { name: 'a', id: 'a:1', address: 'a:7', firstRank: 0, ranks: 2 },
    { name: 'b', id: 'b:1', address: 'b:7', firstRank: 2, ranks: 1 },
  ],
} as unknown as View;
const report = { step: 5, ranks: [4, 3, 8].map((images) => ({ images, digest: 0 })) } as unknown as StepCommitted;

function open() {
  let nowMs = 1000;
  let bytes = { sent: 0, received: 0 };
  let waiting: ReturnType<ViewTraffic['waiting']> = [];
  const counted: unknown[] = [];
  const times: StepTimes[] = [];
  const activity = openMemberActivity({
    self: 'a:1',
    metrics: {
      step: (_times, images) => void counted.push(['images', images]),
      traffic: (of) => void counted.push(['bytes', of.sent, of.received]),
      unacknowledged: (count) => void counted.push(['unacknowledged', count]),
    },
    sendTimes: (steps) => void times.push(...steps),
    unacknowledged: () => 2,
    now: () => nowMs,
  });
  const traffic: ViewTraffic = { waiting: () => waiting, sentBytes: () => ({ gradients: bytes.sent }), bytes: () => bytes };
  return {
    activity,
    traffic,
    counted,
    times,
    pass: (ms: number) => {
      nowMs += ms;
    },
    exchange: (sent: number, received: number) => {
      bytes = { sent, received };
    },
    waitFor: (...ids: string[]) => {
      waiting = ids.map((member) => ({ member, phase: 'all-gather' as const, done: 0, due: 1 }));
    },
  };
}

test('a heartbeat tells the phase, since when, and whom it waits for by name: peers before all else', () => {
  const { activity, traffic, pass, waitFor } = open();
  expect(activity.heartbeat()).toMatchObject({ step: 0, phase: 'preparing', phaseSeconds: 0, waitingFor: '' });
  activity.enter(4, 'lease');
  activity.waitFor('Redis does not answer');
  pass(1500);
  expect(activity.heartbeat()).toMatchObject({ step: 4, phase: 'lease', phaseSeconds: 1.5, waitingFor: 'Redis does not answer' });
  activity.begin(view);
  activity.join(traffic);
  waitFor('b:1', 'c:9');
  expect(activity.heartbeat().waitingFor).toBe('b at all-gather, c:9 at all-gather');
  activity.end();
  expect(activity.heartbeat().waitingFor).toBe('');
});

test('the computing time of a rank is a mean in which the newest step counts most', () => {
  const { activity } = open();
  activity.begin(view);
  activity.applied(report, 1);
  expect(activity.heartbeat().rankSeconds).toBe(1);
  activity.applied(report, 2);
  expect(activity.heartbeat().rankSeconds).toBeCloseTo(1.3, 12);
});

test('bytes are counted once, from view to view, and the images of a step are those of the own ranks', () => {
  const { activity, traffic, counted, times, exchange } = open();
  activity.begin(view);
  activity.join(traffic);
  exchange(100, 50);
  activity.enter(4, 'lease');
  activity.applied(report, 1);
  activity.enter(5, 'lease'); // the step has ended
  exchange(130, 70);
  activity.end();
  activity.begin(view);
  activity.join(traffic);
  exchange(10, 5);
  activity.end();
  expect(counted).toEqual([
    ['bytes', 100, 50],
    ['images', 7],
    ['unacknowledged', 2],
    ['bytes', 30, 20],
    ['bytes', 10, 5],
  ]);
  activity.flush();
  expect(times.map(({ step }) => step)).toEqual([5]);
});
