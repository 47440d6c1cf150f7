import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SourceAnswer, SourceCommand } from './stateMember.ts';

const MEMBER = fileURLToPath(new URL('./stateMember.js', import.meta.url));

/** A member that serves a state, in a separate process. */
export interface StateSourceProcess {
  readonly member: { readonly id: string; readonly address: string };
  /** Port that serves the same bytes without gRPC. */
  readonly tcpPort: number;
  readonly process: ChildProcess;
  /** Starts measuring the process. */
  readonly begin: () => Promise<void>;
  /** Stops measuring, and returns the result. */
  readonly end: () => Promise<Extract<SourceAnswer, { is: 'ended' }>>;
}

/** Starts a source of `vectors` vectors of `length` floats each: generation 1 of job `test`. */
export async function startStateSource(length: number, vectors: number): Promise<StateSourceProcess> {
  const child = fork(MEMBER, [length, vectors].map(String), { stdio: 'inherit' });
  const next = <Kind extends SourceAnswer['is']>(is: Kind) =>
    new Promise<Extract<SourceAnswer, { is: Kind }>>((resolve, reject) => {
      const exited = () => reject(new Error('the source of state ended'));
      child.once('exit', exited);
      child.once('message', (answer: SourceAnswer) => {
        child.off('exit', exited);
        if (answer.is === is) resolve(answer as Extract<SourceAnswer, { is: Kind }>);
        else reject(new Error(`the source of state said ${answer.is}, not ${is}`));
      });
    });
  const ask = <Kind extends SourceAnswer['is']>(command: SourceCommand, is: Kind) => {
    const answer = next(is);
    child.send(command);
    return answer;
  };
  const { address, tcpPort } = await next('serving');
  return {
    member: { id: 'source', address },
    tcpPort,
    process: child,
    begin: async () => void (await ask({ do: 'begin' }, 'begun')),
    end: () => ask({ do: 'end' }, 'ended'),
  };
}
