import { failureTimeouts, type JobSpec, type StateHolder } from '@maestro/protocol';
import { transition } from '../run/jobRun.ts';
import { type JobRun, queuedRun, type RunEffect } from '../run/state/runState.ts';
import { jobFacts, runEvent } from './runEvent.ts';

const timeouts = failureTimeouts(5000);

/** Position in a story. */
interface Place {
  readonly run: JobRun;
  readonly nowMs: number;
}

/** Histories of a job before its story begins, as lines of a story. */
const GIVEN: Readonly<Record<string, (steps: number) => string[]>> = {
  /** Workers a, b and c have formed the first view. */
  working: (steps) => [
    ...['assigned a b c', 'ready a', 'ready b', 'ready c', 'formed a 0', 'formed b 0', 'formed c 0'],
    ...Array.from({ length: steps }, (_, i) => `committed a ${i + 1}`),
  ],
  /** The same, with a third of the moments on each worker. */
  sharded: (steps) => [
    ...['assigned a b c', 'ready a', 'ready b', 'ready c', 'formed a 0 0:0+30', 'formed b 0 0:30+30', 'formed c 0 0:60+30'],
    ...Array.from({ length: steps }, (_, i) => `committed a ${i + 1}`),
  ],
};

/**
 * Replays a story and returns it with current results: each event, its effects, the resulting run, and why. A story is text:
 * - `> held a 4` is an event ({@link runEvent}); the indented lines below it are its results, rewritten here;
 * - `= job resources.minWorkers=2` begins with another job file ({@link jobFacts}), `= given working 4` with a job that has done 4 steps;
 * - `= wait 6000` lets milliseconds pass; `= restart` is a new coordinator, which reads the run from its record;
 * - `= mark NAME` remembers the place, `= back to NAME` continues from there in another way;
 * - all other lines are for readers.
 */
export function tellStory(story: string): string {
  const told: string[] = [];
  const marks = new Map<string, Place>();
  let place: Place = { run: queuedRun(jobFacts([]), 1, 0), nowMs: 0 };
  for (const line of story.trimEnd().split('\n')) {
    if (line.startsWith('  ')) continue;
    told.push(line);
    const [mark, verb, ...words] = line.split(/\s+/);
    const { run, nowMs } = place;
    if (mark === '>') {
      const next = transition(run, runEvent(line.slice(2), run), { nowMs, timeouts });
      const done = next.effects.map((each) => `do   ${describeEffect(each)}`);
      told.push(...[...done, ...changes(run, next.run)].map((text) => `  ${text}`));
      place = { run: next.run, nowMs };
    } else if (mark !== '=') continue;
    else if (verb === 'job') place = { run: queuedRun(jobFacts(words), 1, nowMs), nowMs };
    else if (verb === 'given') place = given(place, words);
    else if (verb === 'mark') marks.set(words[0]!, place);
    else if (verb === 'back') place = marks.get(words[1]!)!;
    else if (verb === 'wait') place = { run, nowMs: nowMs + Number(words[0]) };
    else if (verb === 'restart') place = { run: JSON.parse(JSON.stringify(run)) as JobRun, nowMs };
    else throw new Error(`a story has no such line: ${line}`);
  }
  return `${told.join('\n')}\n`;
}

function given({ run: first, nowMs }: Place, [kind = '', steps = '0']: readonly string[]): Place {
  let run = first;
  for (const line of GIVEN[kind]!(Number(steps))) run = transition(run, runEvent(line, run), { nowMs, timeouts }).run;
  return { run, nowMs };
}

/** Describes the changes of a run: its new values first, then the reasons. */
function changes(before: JobRun, after: JobRun): string[] {
  const lines: string[] = [];
  const note = (text: (run: JobRun) => string, word = 'is'): void => {
    const now = text(after);
    if (now !== text(before) && now !== '') lines.push(`${word.padEnd(4)} ${now}`);
  };
  note(({ phase }) => phase);
  note(({ view, generation }) => {
    if (view === undefined) return generation > 0 ? 'without a view' : '';
    return `in view ${generation} of ${view.members.map(({ name }) => name).join(' ')}, ${view.status}`;
  });
  note(({ step }) => `at step ${step}`);
  note(({ workers }) => `with ${workers.map(({ name }) => name).join(' ') || 'no worker'}`);
  note(({ common }) => (common === undefined ? '' : `of one kind: ${JSON.stringify(common.identity)}, as ${common.by} has it`));
  note(({ choice }) => (choice === undefined ? '' : `of precision ${choice.precision}`));
  note(({ inexact }) => (inexact === undefined ? '' : 'not exact'));
  note(({ stepsRedone }) => `steps redone: ${stepsRedone}`);
  note(({ brokenImages: broken }) =>
    broken === undefined
      ? ''
      : `with ${broken.count} broken images in epoch ${broken.epoch}: ${broken.named.map(({ name }) => name).join(' ') || '(no names)'}`,
  );
  note(({ refusals }) => `refusing ${refusals.map(({ name }) => name).join(' ') || 'nobody'}`);
  note(({ shortSinceMs }) => (shortSinceMs === undefined ? 'not short of workers' : `short of workers since ${shortSinceMs}`));
  note(({ failures }) => `views failed in a row: ${failures}`);
  note(({ queuedMs }) => `queued since ${queuedMs}`);
  note(({ waitedMs }) => `after a wait of ${waitedMs} in the queue`);
  note(({ preemption }) => (preemption === undefined ? 'not preempted' : 'preempted'));
  note(({ results }) => (results === undefined ? '' : `with results ${JSON.stringify(results)}`));
  for (const record of after.records.filter((each) => !before.records.includes(each))) lines.push(`why  ${record.type}: ${record.message}`);
  for (const { name, untilMs, reason } of after.refusals.filter((each) => !before.refusals.includes(each))) {
    const isTold = lines.some((line) => line.endsWith(reason));
    lines.push(
      `why  ${name} is refused ${untilMs === Number.MAX_SAFE_INTEGER ? 'for good' : `until ${untilMs}`}${isTold ? '' : `: ${reason}`}`,
    );
  }
  note(({ message }) => message, 'say');
  note(({ outcome }) => (outcome === undefined ? '' : `${outcome.state}, ${outcome.reason}: ${outcome.message}`), 'end');
  return lines;
}

function describeEffect(effect: RunEffect): string {
  switch (effect.type) {
    case 'send':
      return describeSent(effect);
    case 'disconnect':
      return `disconnect ${effect.workerId.split(':')[0]}`;
    case 'openGeneration':
      return `queues g${effect.generation} from ${effect.step}`;
    case 'enqueueShards':
      return `shards ${effect.step}`;
    case 'commitStep':
      return `ledger ${effect.committed.step}`;
    case 'addCheckpoint':
      return `checkpoint ${effect.checkpoint.step}`;
    case 'findCheckpoint':
      return 'find checkpoint';
    case 'closeQueues':
      return 'close queues';
  }
}

function describeSent({ message, workerId }: Extract<RunEffect, { type: 'send' }>): string {
  const to = workerId.split(':')[0];
  switch (message.kind) {
    case 'view': {
      const shares = message.members.map(({ name, firstRank, ranks }) => `${name}=${firstRank}..${firstRank + ranks - 1}`).join(' ');
      const mark = ({ isWhole, isStored = false }: StateHolder): string => (isStored ? '!' : isWhole ? '' : '?');
      const parts = message.holders.map((holder) => `${holder.name}:${holder.first}+${holder.length}${mark(holder)}`);
      const sources = message.sources.map((id) => id.split(':')[0]).join(' ');
      const from = parts.join(' ') || (sources === '' ? message.restoreFrom || 'seed' : `state of ${sources}`);
      return `view to ${to}: g${message.generation} step ${message.startStep} from ${from}, ${shares}`;
    }
    case 'hold': {
      const when = message.isAbort ? ' at once' : message.notBefore > 0 ? ` after ${message.notBefore}` : '';
      return `hold to ${to}${when}${message.writeCheckpoint ? ' with checkpoint' : ''}`;
    }
    case 'release':
      return `release to ${to}${message.writeCheckpoint ? ' with checkpoint' : ''}`;
    case 'prepare': {
      const { precision } = JSON.parse(message.specJson) as JobSpec;
      return `prepare to ${to}${precision === 'standard' ? '' : ` with precision ${precision}`}`;
    }
    default:
      return `${message.kind} to ${to}`;
  }
}
