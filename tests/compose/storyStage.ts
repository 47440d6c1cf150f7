import { join } from 'node:path';
import { startEngine } from './engine.ts';
import { openJobApi } from './jobApi.ts';
import { openStack } from './stack.ts';
import { runStage } from './stage.ts';
import { tellStory } from './story.ts';

/** Brings the stack up on an engine, tells the story, and takes everything down again, whatever happened. */
await runStage(async (config, step) => {
  const engine = config.isPrivate ? await startEngine(join(config.dir, 'engine'), { hasNetworks: true }) : undefined;
  const stack = openStack(config);
  try {
    return await tellStory({ stack, config, step, open: (token) => openJobApi(() => stack.address('coordinator', 7080), token) });
  } catch (error) {
    process.stderr.write(await stack.compose(['logs', '--no-color', '--tail', '15']).catch(() => ''));
    throw error;
  } finally {
    await stack.compose(['--profile', 'observability', '--profile', 'gpu', 'down', '--volumes', '--remove-orphans', '--timeout', '5']);
    await engine?.stop();
  }
});
