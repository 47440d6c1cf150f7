import { expect, test } from '@jest/globals';
import { resolveLocation } from './location.ts';

test.each(['s3://', 's3:///', 's3:///prefix'])('%s lacks a bucket, and is no path', (location) => {
  expect(() => resolveLocation(location)).toThrow(`${location}: the address lacks a bucket, as in s3://bucket/prefix`);
});

test('an address without a host is refused, and others lose the slash at their end', () => {
  expect(() => resolveLocation('http:///x')).toThrow('http:///x: the address lacks a host');
  expect(resolveLocation('s3://bucket/prefix/')).toBe('s3://bucket/prefix');
});
