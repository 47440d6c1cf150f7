import { openTrainer } from '../index.ts';
import { TOY_INPUTS, toyLayout, toyTrainingModel } from './toyModel.ts';

/** Opens a trainer on the C API; prints what it warns of, a line of JSON each, and then which engine it has. */
const layout = toyLayout();
const print = (text: string) => process.stdout.write(`${text}\n`);
const trainer = await openTrainer({
  trainingModel: toyTrainingModel(layout),
  layout,
  inputs: TOY_INPUTS,
  microBatch: 1,
  maxPartials: 1,
  treeDepth: 0,
  engine: 'capi',
  logger: { info: () => undefined, warn: (fields, message) => print(JSON.stringify({ ...fields, message })) },
});
print(trainer.engine);
await trainer.close();
