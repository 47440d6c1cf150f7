import { z } from 'zod';

/** Where the optimiser's state is; says nothing about its numbers. */
const state = z
  .enum(['replicated', 'sharded'])
  .default('replicated')
  .describe('replicated: each worker keeps all moments; sharded: only those of its own chunk; the weights are the same');

const momentum = z.number().min(0).lt(1).default(0.9);

const adamW = z.strictObject({
  name: z.literal('adamw').default('adamw').describe('AdamW (Loshchilov & Hutter 2019), for pre-training and fine-tuning'),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.95),
  eps: z.number().positive().default(1e-8),
  weightDecay: z.number().min(0).default(0.05),
  state,
});

const sgd = z.strictObject({
  name: z.literal('sgd').describe('SGD with momentum, as in PyTorch without dampening'),
  momentum,
  nesterov: z.boolean().default(false).describe("Nesterov's momentum; needs a momentum above 0"),
  weightDecay: z.number().min(0).default(0).describe('added to the gradient, on tensors of two dimensions or more'),
  state,
});

const lars = z.strictObject({
  name: z.literal('lars').describe('LARS (You et al. 2017), for linear probes'),
  momentum,
  weightDecay: z.number().min(0).default(0).describe('added to the gradient, on tensors of two dimensions or more'),
  trustCoefficient: z
    .number()
    .positive()
    .default(0.001)
    .describe("scales a tensor's step by this x |w| / (|g| + weightDecay |w|); tensors of one dimension are not adapted"),
  state,
});

/** The `optimizer` section of a job file. */
export const optimizerSection = z.discriminatedUnion('name', [adamW, sgd, lars]);

/** What decides an optimiser's numbers, and stays the same for a whole run. */
export type OptimizerSettings = AdamWSettings | SgdSettings | LarsSettings;

/** The settings of AdamW. `weightDecay` is decoupled: p -= lr * weightDecay * p, before the step. */
export type AdamWSettings = Readonly<Omit<z.infer<typeof adamW>, 'state'>>;

/** The settings of SGD with momentum. */
export type SgdSettings = Readonly<Omit<z.infer<typeof sgd>, 'state'>>;

/** The settings of LARS. */
export type LarsSettings = Readonly<Omit<z.infer<typeof lars>, 'state'>>;

/** Vectors of moments that an optimiser keeps, each as long as the trainable parameters. */
export function momentCount({ name }: Pick<OptimizerSettings, 'name'>): 1 | 2 {
  return name === 'adamw' ? 2 : 1;
}
