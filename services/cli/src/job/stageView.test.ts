import { expect, test } from '@jest/globals';
import { startStage } from './stageView.ts';

function record(isTTY: boolean) {
  let text = '';
  let nowMs = 0;
  const output = { write: (part: string) => (text += part), isTTY, columns: 200 };
  const stage = startStage({ name: 'evaluating the model', total: 100, output, now: () => nowMs });
  return { stage, text: () => text, wait: (ms: number) => (nowMs += ms) };
}

test('a terminal sees a stage start at once, how far it is and what time is left', () => {
  const { stage, text, wait } = record(true);
  wait(10_000);
  stage.advance(25);
  wait(10);
  stage.advance(1); // too soon to draw again
  stage.end();
  expect(text()).toBe(
    '\r[............................]   0 %  evaluating the model\x1b[K' +
      '\r[#######.....................]  25 %  evaluating the model  0:30 left\x1b[K' +
      '\r\x1b[Kevaluating the model: 10.0 s\n',
  );
});

test('a file gets a plain line every five seconds, and one at the end', () => {
  const { stage, text, wait } = record(false);
  for (let i = 0; i < 10; i++) {
    wait(1000);
    stage.advance(10);
  }
  stage.end();
  expect(text().split('\n')).toEqual([
    'evaluating the model',
    '[##############..............]  50 %  evaluating the model  0:05 left',
    '[############################] 100 %  evaluating the model  0:00 left',
    'evaluating the model: 10.0 s',
    '',
  ]);
});
