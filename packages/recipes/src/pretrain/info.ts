import type { RecipeInfo } from '@maestro/protocol';

/** Trains a masked autoencoder (He et al. 2021). */
export const pretrainInfo: RecipeInfo = {
  id: 'mae-pretrain',
  does: 'trains',
  verb: 'training',
  dataPlaces: [],
  series: [
    { name: 'loss', label: 'Loss', unit: 'number', better: 'lower', about: 'mean squared error on hidden patches' },
    { name: 'learningRate', label: 'Learning rate', shortLabel: 'lr', unit: 'rate' },
    { name: 'gradNorm', label: 'Gradient norm', exportName: 'gradient_norm', unit: 'number', isDetail: true },
  ],
  results: [],
};
