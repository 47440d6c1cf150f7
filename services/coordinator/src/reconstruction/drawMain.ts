import '@maestro/recipes';
import { setPriority } from 'node:os';
import { stepFolder } from '@maestro/checkpoint';
import { drawCheckpoint } from '@maestro/evaluation';
import { errorMessage } from '@maestro/protocol';
import { endWithParent } from '@maestro/telemetry';

/** Draws one checkpoint in a separate process and reports to the coordinator: `node drawMain.js CHECKPOINT FOLDER`. */
const [checkpoint, folder] = process.argv.slice(2) as [string, string];
/** The lowest priority: training comes first. */
const PRIORITY = 19;

endWithParent();
setPriority(PRIORITY);
const answer = await drawCheckpoint({ checkpoint, folder, name: stepFolder }).then(
  (drawn) => ({ drawn }),
  (error: unknown) => ({ failed: errorMessage(error) }),
);
process.send?.(answer, () => process.exit(0));
