const path = require('node:path');

/** Snapshots are source: they are kept beside the `.ts` test, while the test that runs is its compiled twin under dist. */
const toSource = (file) => {
  const inPackage = file.includes(`${path.sep}tests${path.sep}dist${path.sep}`) ? '' : 'src';
  return file
    .replace(`${path.sep}dist${path.sep}`, inPackage === '' ? path.sep : `${path.sep}${inPackage}${path.sep}`)
    .replace(/\.js$/, '.ts');
};

module.exports = {
  resolveSnapshotPath: (testPath, extension) => {
    const source = toSource(testPath);
    return path.join(path.dirname(source), '__snapshots__', path.basename(source) + extension);
  },
  resolveTestPath: (snapshotPath, extension) => {
    const source = path.join(path.dirname(path.dirname(snapshotPath)), path.basename(snapshotPath, extension));
    const compiled = source.replace(/\.ts$/, '.js');
    return compiled.includes(`${path.sep}src${path.sep}`)
      ? compiled.replace(`${path.sep}src${path.sep}`, `${path.sep}dist${path.sep}`)
      : compiled.replace(`${path.sep}tests${path.sep}`, `${path.sep}tests${path.sep}dist${path.sep}`);
  },
  testPathForConsistencyCheck: path.join('packages', 'x', 'dist', 'y.test.js'),
};
