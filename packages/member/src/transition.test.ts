import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { type ErrorCode, MaestroError, type StepCommitted, type View } from '@maestro/protocol';
import { type MemberEffect, type MemberEvent, type MemberState, openingMember, type SessionNow } from './memberState.ts';
import { transition } from './transition.ts';

/**
 * Stories as files: what happened (`> event`), what is so of the session (`= words`, until the next such line), and below each event what
 * the member did. `MAESTRO_REWRITE=1 npm test -- member/transition` writes the files anew; then look at what changed.
 */
const STORIES = new URL('../testdata/', import.meta.url);
const SELF = 'a:1';

const view = (generation: number, names: readonly string[], startStep: number): View => ({
  jobId: 'job-1',
  generation,
  members: names.map((name, rank) => ({ name, id: `${name}:1`, address: `${name}:7`, firstRank: rank, ranks: 1 })),
  startStep,
  restoreFrom: '',
  sources: [],
  holders: [],
});
const report = (generation: number, step: number): StepCommitted => ({
  jobId: 'job-1',
  generation,
  step,
  metrics: { loss: 1 },
  images: 8,
  stepSeconds: 1,
  ranks: [],
});
/** `peer-lost b`: an error that names a member where one follows. */
const error = (code: string, about = 'nobody'): MaestroError =>
  new MaestroError(code as ErrorCode, `${code}: ${about}:1 is to blame`, { details: { member: `${about}:1` } });

/** One line of a story as an event. */
function parse(line: string): MemberEvent {
  const [verb, ...words] = line.split(/\s+/);
  const [first = '', second = '', third] = words;
  const generation = Number(first);
  switch (verb) {
    case 'opened':
    case 'saved':
    case 'closed':
    case 'snapshotLost':
    case 'save':
      return { type: verb };
    case 'openFailed':
      return { type: 'openFailed', error: error(first, second || undefined) };
    case 'view': {
      const names = words.slice(1).filter((word) => !word.startsWith('from='));
      const from = words.find((word) => word.startsWith('from='));
      return { type: 'view', view: view(generation, names, Number(from?.slice(5) ?? 0)) };
    }
    case 'go':
      return { type: 'go', generation };
    case 'hold':
      return {
        type: 'hold',
        hold: {
          jobId: 'job-1',
          generation,
          isAbort: second === 'abort',
          notBefore: second === 'abort' ? 0 : Number(second),
          writeCheckpoint: third === 'save',
          reason: 'the coordinator says so',
        },
      };
    case 'acknowledge':
      return { type: 'acknowledge', step: Number(first) };
    case 'release':
      return { type: 'release', request: { reason: 'the job is over', writeCheckpoint: first === 'save' } };
    case 'formed':
      return { type: 'formed', generation, stateHash: second };
    case 'applied':
    case 'committed':
      return { type: verb, report: report(generation, Number(second)) };
    case 'runEnded':
      return { type: 'runEnded', generation, outcome: second as 'finished' | 'held' };
    case 'runFailed':
      return {
        type: 'runFailed',
        generation,
        error: second === 'asked' ? new MaestroError('cancelled', 'asked', { details: { isAsked: true } }) : error(second, third),
      };
    case 'saveFailed':
    case 'checkpointFailed':
      return { type: verb, step: Number(first), message: 'the disk is full' };
    case 'checkpoint':
      return { type: 'checkpoint', step: Number(first), path: `/c/${first}`, hash: 'h' };
    case 'late':
      return { type: 'late', what: first as Extract<MemberEvent, { type: 'late' }>['what'] };
    default:
      throw new Error(`no such event: ${line}`);
  }
}

function describeEffect(effect: MemberEffect): string {
  const words = ((): readonly (string | number | boolean)[] => {
    switch (effect.type) {
      case 'tell': {
        const { status, generation, stateHash, reports, errorCode, errorMessage, suspect } = effect.told;
        const steps = reports.map(({ generation: of, step }) => `${of}/${step}`).join(' ');
        return [status, `view ${generation}`, stateHash, steps && `reports ${steps}`, errorCode, errorMessage, suspect && `(${suspect})`];
      }
      case 'send': {
        const { kind, jobId: _job, ...rest } = effect.message as { kind: string; jobId: string };
        const shown = Object.entries(rest).filter(([key]) => !['metrics', 'images', 'stepSeconds', 'ranks'].includes(key));
        return [kind, ...shown.map(([key, value]) => `${key}=${value}`)];
      }
      case 'run':
      case 'serve':
        return [effect.view.generation];
      case 'viewOver':
        return [effect.view.generation, effect.status, effect.failure?.code ?? ''];
      case 'start':
        return [effect.generation];
      case 'hold':
        return [effect.generation, `after step ${effect.notBefore}`, effect.writeCheckpoint ? 'with a checkpoint' : ''];
      case 'abort':
        return [effect.generation, effect.reason.message];
      case 'giveUpOpening':
        return [effect.reason.message];
      case 'close':
        return [effect.leaving.outcome, effect.leaving.reason];
      case 'after':
        return [`${effect.ms} ms`, effect.what];
      default:
        return [];
    }
  })();
  return `  ${[effect.type, ...words].filter((word) => word !== '').join(' ')}`;
}

/** Plays a story: its own events, with what the member does now. */
function play(text: string): string {
  let state: MemberState = openingMember({ jobId: 'job-1', self: SELF, isFaultTolerant: true, leaveMs: 5000 });
  let now: SessionNow = { step: -1, canSave: false, isChanging: false };
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('  ')) continue;
    lines.push(line);
    if (line.startsWith('= ')) {
      const words = line.slice(2).split(/\s+/);
      const step = Number(words[words.indexOf('step') + 1]);
      now = { step, canSave: step >= 0 && !words.includes('measures'), isChanging: words.includes('applying') };
    } else if (line.startsWith('> ')) {
      const result = transition(state, parse(line.slice(2).trim()), now);
      state = result.state;
      lines.push(...result.effects.map(describeEffect));
    }
  }
  return lines.join('\n');
}

describe('a member', () => {
  test.each(readdirSync(STORIES))('%s', (name) => {
    const file = new URL(name, STORIES);
    const told = readFileSync(file, 'utf8');
    const played = play(told);
    if (process.env['MAESTRO_REWRITE'] === '1') writeFileSync(file, played);
    else expect(played).toBe(told);
  });
});
