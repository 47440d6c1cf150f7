import type { RecipeInfo } from '@maestro/protocol';

/** Trains a masked autoencoder (He et al. 2021). */
export const pretrainInfo: RecipeInfo = {
  id: 'mae-pretrain',
  does: 'trains',
  verb: 'training',
  dataPlaces: [],
  series: [
    { name: 'loss', label: 'Loss', unit: 'number', better: 'lower' },
    { name: 'learningRate', label: 'Learning rate', unit: 'number' },
  ],
  results: [],
};
