import { type PresetName } from '@maestro/protocol';
import { type MaePreset } from './presets.ts';
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
export type MaeOptions = {
  readonly preset?: PresetName;
} & {
  readonly [K in keyof MaeConfig]?: MaeConfig[K] | undefined;
};
/**
 * Completes and checks a configuration: preset first, then the fields given, then the paper's defaults for the rest.
 * @throws MaestroError `invalid-argument` that names the field, what was found and what is allowed.
 */
export declare function maeConfig({ preset, ...fields }: MaeOptions): MaeConfig;
/** How many patches of an image the encoder sees: trunc(L * (1 - maskRatio)) in float64, as the reference implementation has it. */
export declare function keptPatches(config: Pick<MaeConfig, 'imageSize' | 'patchSize' | 'maskRatio'>): number;
//# sourceMappingURL=config.d.ts.map
