import { expect, test } from '@jest/globals';
import { lastWords } from './readLastWords.ts';

const info = '{"level":"info","msg":"stopped"}';

test('the error of the last fatal line is what a process says when it dies', () => {
  const fatal = '{"level":"fatal","time":"t","error":{"name":"MaestroError","message":"cannot listen at 127.0.0.1:7070"},"msg":"failed"}';
  expect(lastWords(`${info}\n${fatal}\n${info}\n`)).toBe('cannot listen at 127.0.0.1:7070');
  expect(lastWords(`${info}\n{"level":"fatal","msg":"failed"}\n`)).toBe('failed');
});

test('a process that dies before it can log is quoted by its error, without stack and version', () => {
  const crash =
    "node:internal/modules:1\n  throw err;\n  ^\n\nError: Cannot find module 'x'\n    at Module._load (a:1:1)\n\nNode.js v20.20.2\n";
  expect(lastWords(`${info}\n${crash}`)).toBe("Error: Cannot find module 'x'");
  expect(lastWords('FATAL ERROR: Reached heap limit\n 1: 0xb7 node::Abort()\n')).toBe('FATAL ERROR: Reached heap limit');
  expect(lastWords('Illegal instruction\n')).toBe('Illegal instruction');
});

test('a log without such words says nothing', () => {
  expect(lastWords(`${info}\n`)).toBeUndefined();
  expect(lastWords('{"level":"fatal","broken\n')).toBeUndefined();
});
