import { expect, test } from '@jest/globals';
import type { Job } from '@maestro/protocol';
import { createProgressView, duration } from './progressView.ts';

const job = (step: number, state: Job['state'] = 'running'): Job => ({
  id: 'job-1',
  name: 'demo',
  state,
  message: 'training on a',
  specJson: '{"recipe":"mae-pretrain"}',
  createdAt: '',
  startedAt: '',
  endedAt: '',
  generation: 1,
  members: [],
  conditions: [],
  checkpoints: [],
  events: [],
  stepsRedone: 0,
  resourceVersion: '1-1',
  progress: {
    step,
    totalSteps: 200,
    epoch: step / 100,
    totalEpochs: 2,
    images: step * 8,
    metrics: { loss: 0.51234, learningRate: 1e-3, gradNorm: 1 },
    firstMetrics: { loss: 2 },
    imagesPerSecond: 812.4,
    etaSeconds: 65,
    skippedImages: 0,
  },
});

function record(isTTY: boolean) {
  let text = '';
  let nowMs = 0;
  const view = createProgressView({ write: (part: string) => (text += part), isTTY, columns: 200 }, () => nowMs);
  return { view, text: () => text, wait: (ms: number) => (nowMs += ms) };
}

test('a terminal gets one line that is redrawn in place', () => {
  const { view, text, wait } = record(true);
  for (const step of [50, 100]) {
    view.show(job(step));
    wait(1000);
  }
  view.end();
  expect(text()).toBe(
    'running: training on a\n' +
      '\r[#######.....................]  25 %  step  50/200  epoch 0.50/2  loss 0.5123  lr 1.00e-3  812 images/s  ETA 1:05\x1b[K' +
      '\r[##############..............]  50 %  step 100/200  epoch 1.00/2  loss 0.5123  lr 1.00e-3  812 images/s  ETA 1:05\x1b[K\n',
  );
});

test('anything else gets a plain line every five seconds, and the last step always', () => {
  const { view, text, wait } = record(false);
  for (let step = 10; step <= 200; step += 10) {
    view.show(job(step));
    wait(1000);
  }
  view.show(job(200));
  expect(
    text()
      .split('\n')
      .map((line) => /step +(\d+)/.exec(line)?.[1] ?? line),
  ).toEqual(['running: training on a', '10', '60', '110', '160', '200', '']);
});

test('each change of state is a line of its own', () => {
  const { view, text } = record(true);
  view.show({ ...job(0), state: 'queued', message: 'waiting: needs 2 cpu workers, 1 free', progress: null });
  view.show(job(10));
  view.show({ ...job(10), state: 'failed', message: 'lost worker b' });
  expect(
    text()
      .split('\n')
      .map((line) => line.replace(/\r.*/, '')),
  ).toEqual(['queued: waiting: needs 2 cpu workers, 1 free', 'running: training on a', '', 'failed: lost worker b', '']);
});

test('times are written as people read them', () => {
  expect([0, 59.6, 65, 7209].map(duration)).toEqual(['0:00', '1:00', '1:05', '2:00:09']);
});
