import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { MemberAnswer, MemberCommand, MemberView } from './allReduceMember.ts';

const MEMBER = fileURLToPath(new URL('./allReduceMember.js', import.meta.url));

/** A member of a collective in a separate process. */
export interface MemberProcess {
  readonly id: string;
  readonly address: string;
  readonly process: ChildProcess;
  /** Sends a command; resolves with the next answer. Rejects when the process ends first. */
  readonly ask: (command: MemberCommand) => Promise<MemberAnswer>;
}

/** Options of {@link startMembers}. */
export interface StartOptions {
  readonly keepaliveMs?: number;
  readonly address?: (i: number) => string;
  readonly checksums?: boolean;
  /** Loops of member `i`. Default: native ones where there is a library. */
  readonly loops?: (i: number) => 'native' | 'portable';
}

/** Starts `count` members, `worker-0` and so on, each listening on its own address. */
export function startMembers(
  count: number,
  { keepaliveMs = 5000, address = () => '127.0.0.1:0', checksums = true, loops = () => 'native' }: StartOptions = {},
): Promise<MemberProcess[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) => startMember(`worker-${i}`, [address(i), String(keepaliveMs), String(checksums), loops(i)])),
  );
}

async function startMember(id: string, options: readonly string[]): Promise<MemberProcess> {
  const child = fork(MEMBER, [id, ...options], { stdio: 'inherit' });
  const next = () =>
    new Promise<MemberAnswer>((resolve, reject) => {
      const exited = () => reject(new Error(`${id} ended`));
      child.once('exit', exited);
      child.once('message', (answer) => {
        child.off('exit', exited);
        resolve(answer as MemberAnswer);
      });
    });
  const first = await next();
  if (first.is !== 'listening') throw new Error(`${id} should listen first, it said ${first.is}`);
  const ask = (command: MemberCommand) => {
    const answer = next();
    child.send(command);
    return answer;
  };
  return { id, address: first.address, process: child, ask };
}

/** Kills the processes, even when stopped. */
export function endMembers(members: readonly MemberProcess[]): void {
  for (const member of members) member.process.kill('SIGKILL');
}

/** Returns the view in which `members` share `virtualRanks` as evenly as possible. */
export function evenView(
  members: readonly MemberProcess[],
  {
    generation,
    virtualRanks,
    length,
    segment = 0,
    allGather = 'f32',
  }: Omit<MemberView, 'members' | 'segment'> & { readonly segment?: number },
): MemberView {
  const edge = (i: number) => Math.floor((i * virtualRanks) / members.length);
  return {
    generation,
    virtualRanks,
    length,
    segment,
    allGather,
    members: members.map(({ id, address }, i) => ({ id, address, firstRank: edge(i), ranks: edge(i + 1) - edge(i) })),
  };
}

/** Sends all members the same command; resolves with all answers. */
export function askAll(members: readonly MemberProcess[], command: MemberCommand): Promise<MemberAnswer[]> {
  return Promise.all(members.map((member) => member.ask(command)));
}
