import { registerRecipes } from '@maestro/protocol';
import { knnInfo } from './knn/info.ts';
import { pretrainInfo } from './pretrain/info.ts';

/** The registry: each recipe is a folder here and a line in this list. Whoever reads job files imports this module first. */
registerRecipes([pretrainInfo, knnInfo]);

export { type KnnSpec, knnOf } from './knn/knnSpec.ts';
