export type { ExportedPort, ExportedWeights, WeightFormat } from './weightFormat.ts';
export { WEIGHT_FORMATS, weightFormat } from './weightFormats.ts';
