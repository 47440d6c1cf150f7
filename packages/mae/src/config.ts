import { MaestroError, type PresetName } from '@maestro/protocol';
import { patchCount } from '@maestro/vit';
import { type MaePreset, PRESETS } from './presets.ts';

/** How the removed patches are chosen. */
export type Masking = 'random';

/** A Masked Autoencoder, fully specified. Make one with {@link maeConfig}, which checks it. */
export interface MaeConfig extends MaePreset {
  /** Hidden width of every MLP over the width of its block; 4 in the paper. */
  readonly mlpRatio: number;
  /** Share of the patches that is removed, in (0, 1); 0.75 in the paper (Fig. 5 finds the best values in 0.4..0.8). */
  readonly maskRatio: number;
  readonly masking: Masking;
  /** Whether the loss is taken on patches normalised by their own mean and variance, which the paper finds better (table 1d). */
  readonly normPixLoss: boolean;
}

/** What {@link maeConfig} takes: a preset, single fields over it, or every size by itself. */
export type MaeOptions = { readonly preset?: PresetName } & {
  readonly [K in keyof MaeConfig]?: MaeConfig[K] | undefined;
};

const DEFAULTS = {
  mlpRatio: 4,
  maskRatio: 0.75,
  masking: 'random',
  normPixLoss: true,
} as const;

const SIZES = [
  'imageSize',
  'channels',
  'patchSize',
  'embedDim',
  'depth',
  'numHeads',
  'decoderEmbedDim',
  'decoderDepth',
  'decoderNumHeads',
] as const satisfies readonly (keyof MaePreset)[];

/**
 * Completes and checks a configuration: preset first, then the fields given, then the paper's defaults for the rest.
 * @throws MaestroError `invalid-argument` that names the field, what was found and what is allowed.
 */
export function maeConfig({ preset, ...fields }: MaeOptions): MaeConfig {
  if (preset !== undefined && !Object.hasOwn(PRESETS, preset)) {
    throw invalid('preset', preset, `one of ${Object.keys(PRESETS).join(', ')}`);
  }
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const config: MaeConfig = {
    ...DEFAULTS,
    ...(preset && PRESETS[preset]),
    ...given,
  } as MaeConfig;
  validate(config);
  return config;
}

/** How many patches of an image the encoder sees: trunc(L * (1 - maskRatio)) in float64, as the reference implementation has it. */
export function keptPatches(config: Pick<MaeConfig, 'imageSize' | 'patchSize' | 'maskRatio'>): number {
  return Math.trunc(patchCount(config) * (1 - config.maskRatio));
}

function validate(config: MaeConfig): void {
  for (const field of SIZES) {
    const value = config[field];
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(field, value, 'a positive integer');
  }
  const { imageSize, patchSize, maskRatio, mlpRatio, masking, normPixLoss } = config;
  if (imageSize % patchSize !== 0) throw invalid('imageSize', imageSize, `a multiple of patchSize (${patchSize})`);
  for (const [width, heads] of [
    ['embedDim', 'numHeads'],
    ['decoderEmbedDim', 'decoderNumHeads'],
  ] as const) {
    if (config[width] % config[heads] !== 0) throw invalid(width, config[width], `a multiple of ${heads} (${config[heads]})`);
    if (config[width] % 4 !== 0) throw invalid(width, config[width], 'a multiple of 4 (sin and cos of column and row share it)');
    if (!(mlpRatio > 0) || !Number.isSafeInteger(mlpRatio * config[width])) {
      throw invalid('mlpRatio', mlpRatio, `a positive number that gives a whole hidden width over ${width} (${config[width]})`);
    }
  }
  if (masking !== 'random') throw invalid('masking', masking, 'random');
  if (typeof normPixLoss !== 'boolean') throw invalid('normPixLoss', normPixLoss, 'true or false');
  if (!(maskRatio > 0 && maskRatio < 1)) throw invalid('maskRatio', maskRatio, 'a number between 0 and 1, both excluded');
  const patches = patchCount(config);
  const kept = keptPatches(config);
  if (kept === 0 || kept === patches) {
    throw invalid('maskRatio', maskRatio, `a ratio that keeps and removes at least one of the ${patches} patches (this one keeps ${kept})`);
  }
}

function invalid(field: string, found: unknown, allowed: string): MaestroError {
  return new MaestroError('invalid-argument', `model.${field}: expected ${allowed}, found ${JSON.stringify(found) ?? 'nothing'}`, {
    details: { field: `model.${field}`, found, allowed },
  });
}
