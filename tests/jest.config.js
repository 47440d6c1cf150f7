/** `npm run test:long`: the files *.long.test.ts alone, which `npm test` leaves out for their length or for the tools that they fetch. */
const isLong = process.env['MAESTRO_LONG_TESTS'] === '1';

/**
 * Tests run on what `tsc -b` emitted: the very files that ship, with threads and child processes started as users start them.
 * @type {import('jest').Config}
 */
export default {
  rootDir: '..',
  roots: ['<rootDir>/packages', '<rootDir>/services', '<rootDir>/tests'],
  testMatch: [isLong ? '**/dist/**/*.long.test.js' : '**/dist/**/*.test.js'],
  testPathIgnorePatterns: ['/node_modules/', ...(isLong ? [] : ['\\.long\\.test\\.js$'])],
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
