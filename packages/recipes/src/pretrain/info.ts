import type { RecipeInfo } from '@maestro/protocol';
import { trainingSeries } from '../trainingSeries.ts';

/** Trains a masked autoencoder (He et al. 2021). */
export const pretrainInfo: RecipeInfo = {
  id: 'mae-pretrain',
  does: 'trains',
  verb: 'training',
  hasPictures: true,
  dataPlaces: [],
  series: trainingSeries('mean squared error on hidden patches'),
  results: [],
};
