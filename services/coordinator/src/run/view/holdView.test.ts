import { describe, expect, test } from '@jest/globals';
import { failureTimeouts } from '@maestro/protocol';
import { jobFacts, runEvent } from '../../testing/runEvent.ts';
import { transition } from '../jobRun.ts';
import { queuedRun } from '../state/runState.ts';
import { breakView, hold } from './holdView.ts';
import { type Turn, updateWorker } from './turn.ts';

const timeouts = failureTimeouts(5000);

/** A job whose members a, b and c work, in a turn. */
function working(): Turn {
  let run = queuedRun(jobFacts([]), 1, 0);
  for (const line of ['assigned a b c', 'ready a', 'ready b', 'ready c', 'formed a 0', 'formed b 0', 'formed c 0']) {
    run = transition(run, runEvent(line, run), { nowMs: 0, timeouts }).run;
  }
  return { run, effects: [], nowMs: 50, timeouts };
}
const sent = ({ effects }: Turn) =>
  effects.map((effect) => {
    if (effect.type !== 'send' || effect.message.kind !== 'hold') return effect.type;
    const { isAbort, notBefore, writeCheckpoint } = effect.message;
    return `${effect.workerId} ${isAbort ? 'at once' : `after ${notBefore}`}${writeCheckpoint ? ' with checkpoint' : ''}`;
  });

describe('a view ends', () => {
  test('after a step, which is lost to nobody', () => {
    const turn = working();
    hold(turn, { isAbort: false, reason: 'd joins', notBefore: 8, writeCheckpoint: true });
    expect(sent(turn)).toEqual(['a:1', 'b:1', 'c:1'].map((id) => `${id} after 8 with checkpoint`));
    expect(turn.run).toMatchObject({ stepsRedone: 0, view: { status: 'holding', isAbort: false, sinceMs: 50, reason: 'd joins' } });
    expect(turn.run.records.at(-1)).toMatchObject({ type: 'hold', message: 'view 1 ends after a step: d joins' });
  });

  test('at once, with the step under way, though it was to end after one; then no more', () => {
    const turn = working();
    hold(turn, { isAbort: false, reason: 'd joins' });
    hold(turn, { isAbort: false, reason: 'again' });
    hold(turn, { isAbort: true, reason: 'b is lost' });
    hold(turn, { isAbort: true, reason: 'c is lost' });
    expect(sent(turn)).toEqual([...['a:1', 'b:1', 'c:1'].map((id) => `${id} after 0`), 'a:1 at once', 'b:1 at once', 'c:1 at once']);
    expect(turn.run).toMatchObject({ stepsRedone: 1, view: { reason: 'b is lost' } });
  });

  test('for those that are at work: one that holds, or was released, is told nothing', () => {
    const turn = working();
    updateWorker(turn, 'a:1', { status: 'held' });
    updateWorker(turn, 'b:1', { isReleased: true });
    hold(turn, { isAbort: true, reason: 'x' });
    expect(sent(turn)).toEqual(['c:1 at once']);
  });

  test('without a lost step while it forms, and with one of its members alone', () => {
    const turn = working();
    turn.run = { ...turn.run, view: { ...turn.run.view!, status: 'forming' } };
    const [member] = turn.run.workers;
    breakView(turn, { ...member!, id: 'd:1' }, 'd is lost');
    expect(turn.effects).toEqual([]);
    breakView(turn, member!, 'a is lost');
    expect(turn.run).toMatchObject({ stepsRedone: 0, view: { status: 'holding', isAbort: true } });
  });
});
