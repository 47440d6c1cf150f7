import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { STEP_PHASES } from '@maestro/protocol';
import { fileOf } from '../support/repository.ts';

/** Names in TypeScript that differ from those of the proto files, where the words alone would not say whose they are. */
const PROTO_NAMES: Readonly<Record<string, string>> = {
  JobCheckpoint: 'Checkpoint',
  JobMember: 'Member',
  JobEvent: 'Event',
  JobProgress: 'Progress',
  WorkerInfo: 'Worker',
};

const camelCase = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Field names of each message, as gRPC gives them. */
function messagesOf(proto: string): Map<string, string[]> {
  const bare = proto.replace(/\/\/.*$/gm, '');
  return new Map(
    [...bare.matchAll(/^message (\w+) \{([\s\S]*?)^\}/gm)].map(([, name, body]) => [
      name!,
      [...body!.matchAll(/^\s+(?:repeated |optional )?(?:map<[^>]*>|[\w.]+) (\w+) = \d+(?: \[[^\]]*\])?;/gm)].map(([, field]) =>
        camelCase(field!),
      ),
    ]),
  );
}

/** Field names of each interface, with those that it extends. */
function interfacesOf(source: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name, base, omitted, body] of source.matchAll(
    /^(?:export )?interface (\w+)(?: extends (?:Omit<)?(\w+)(?:, '(\w+)'>|<[^{]*)?)? \{([\s\S]*?)^\}/gm,
  )) {
    const inherited = base === undefined ? [] : base === 'Readonly' ? [...STEP_PHASES] : (found.get(base) ?? []);
    const own = [...body!.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field]) => field!);
    found.set(name!, [...inherited.filter((field) => field !== omitted), ...own]);
  }
  return found;
}

test.each([
  ['wire/messages.ts', 'coordinator.proto', 15],
  ['job/jobs.ts', 'jobs.proto', 5],
])('the types in %s have the fields of the messages in %s', async (types, proto, least) => {
  const messages = messagesOf(await readFile(fileOf(`proto/maestro/v1/${proto}`), 'utf8'));
  const interfaces = interfacesOf(await readFile(fileOf(`packages/protocol/src/${types}`), 'utf8'));
  // On the wire alone: what clients of the former version read.
  interfaces.get('JobProgress')?.push(...interfaces.get('FormerProgress')!);
  const pairs = [...interfaces].flatMap(([name, fields]) => {
    const message = messages.get(PROTO_NAMES[name] ?? name);
    return message === undefined ? [] : [{ name, fields: [...fields].sort(), message: [...message].sort() }];
  });
  expect(pairs.length).toBeGreaterThanOrEqual(least);
  expect(pairs.map(({ name, fields }) => ({ name, fields }))).toEqual(pairs.map(({ name, message }) => ({ name, fields: message })));
});
