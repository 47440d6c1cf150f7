const { readFileSync } = require('node:fs');
const path = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

/** Seconds of the files that took longest, by path; `node tests/jest/keepTimes.mjs` writes it. */
const TIMES = JSON.parse(readFileSync(path.join(__dirname, 'times.json'), 'utf8'));

/**
 * Starts the test files that take longest first, so that no worker is left with one at the end. A clean checkout has no times of its own
 * yet, so those that are committed serve; a file that has none is taken for a short one.
 */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const seconds = ({ path: file, context }) => TIMES[path.relative(context.config.rootDir, file).split(path.sep).join('/')] ?? 0;
    return [...tests].sort((a, b) => Number(this.hasFailed(b)) - Number(this.hasFailed(a)) || seconds(b) - seconds(a));
  }
};
