// What every npm command of this repository runs first: it makes the clone ready and then does what was asked for.
//
//   node deploy/setup.mjs                     dependencies, build, Redis
//   node deploy/setup.mjs --build             dependencies and build
//   node deploy/setup.mjs --run FILE [ARG..]  everything, then FILE with ARGs in this very process
//   node deploy/setup.mjs --test [ARG..]      everything, then jest with ARGs
//
// It needs nothing but Node and prints one line, on standard error, for each thing that it does: none when there is nothing to do.
// This file keeps to old syntax, so that an old Node can say which Node is wanted; the rest is in deploy/setup/.

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 15)) {
  process.stderr.write(`setup: maestro needs Node 20.15 or later, this is ${process.version} (${process.execPath}): https://nodejs.org\n`);
  process.exit(1);
}
import('./setup/main.mjs').then((setup) => setup.main(process.argv.slice(2)));
