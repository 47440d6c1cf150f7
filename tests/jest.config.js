/**
 * Which files run, by MAESTRO_TESTS: `core`, what `npm test` waits for; `slow`, stories of many minutes in `*.slow.test.ts`; `long`, files
 * `*.long.test.ts` that fetch tools or take minutes each. Several with commas between.
 */
const kinds = (process.env['MAESTRO_TESTS'] ?? 'core').split(',');
const isLeftOut = { core: '/[^./]+\\.test\\.js$', slow: '\\.slow\\.test\\.js$', long: '\\.long\\.test\\.js$' };
const left = Object.entries(isLeftOut).filter(([kind]) => !kinds.includes(kind));

/**
 * Tests run on what `tsc -b` emitted: the very files that ship, with threads and child processes started as users start them.
 * @type {import('jest').Config}
 */
export default {
  rootDir: '..',
  roots: ['<rootDir>/packages', '<rootDir>/services', '<rootDir>/tests'],
  testMatch: ['**/dist/**/*.test.js'],
  testPathIgnorePatterns: ['/node_modules/', ...left.map(([, pattern]) => pattern)],
  testEnvironment: '<rootDir>/tests/jest/ortEnvironment.cjs',
  snapshotResolver: '<rootDir>/tests/jest/snapshotResolver.cjs',
  setupFiles: ['<rootDir>/packages/recipes/dist/index.js'],
  moduleNameMapper: { '^onnxruntime-node$': '<rootDir>/tests/jest/onnxruntime.cjs' },
  reporters: ['default', '<rootDir>/tests/jest/countReporter.cjs'],
  testSequencer: '<rootDir>/tests/jest/longestFirst.cjs',
  transform: {},
  testTimeout: 60_000,
  maxWorkers: 2,
};
