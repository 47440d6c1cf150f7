import { expect, test } from '@jest/globals';
import { loadProtos } from '@maestro/protocol';
import { withMapEntryNames } from './mapEntryNames.ts';

test('reflection tells the entry of a map under the name that protoc gives it, in the field too', () => {
  const definition = withMapEntryNames(loadProtos('maestro/v1/jobs.proto'));
  const files = Object.values(definition).flatMap(({ fileDescriptorProtos }) =>
    Array.isArray(fileDescriptorProtos) ? fileDescriptorProtos : [],
  );
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    for (const entry of ['ResultsEntry', 'MetricsEntry', 'FirstMetricsEntry']) expect(file.includes(entry)).toBe(true);
    // A name alone, with its length before it (field 1 of DescriptorProto).
    expect(file.includes(Buffer.from('\x0a\x07Results', 'latin1'))).toBe(false);
  }
});
