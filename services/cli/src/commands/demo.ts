import type { Command } from 'commander';
import { withDemoOptions } from '../demo/demoOptions.ts';
import type { DemoOptions } from '../demo/runDemo.ts';
import { withExamples } from '../job/examples.ts';

/** Adds `maestro demo`: the whole way from images to weights, on this machine. */
export function addDemoCommand(program: Command): void {
  const demo = withDemoOptions(program.command('demo')).action(async (options: DemoOptions) => {
    await (await import('../demo/runDemo.ts')).runDemo(options);
  });
  withExamples(demo, [
    ['maestro demo', 'Fashion-MNIST, about two minutes'],
    ['maestro demo --data /data/images', 'your own images'],
  ]);
}
