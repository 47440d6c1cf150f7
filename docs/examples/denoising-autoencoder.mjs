// A denoising autoencoder: noise is added to all patches, none is hidden, and the encoder with a linear head has to remove it.
// maestro gives it the job file, facts of the data set and a kit of parts, so that it imports nothing.

const DEFAULT_SIGMA = 0.5;

export default {
  id: 'denoise',
  version: '1.0.0',
  does: 'trains an encoder to remove noise from images',

  // Its own section of the job file.
  section: {
    key: 'denoise',
    schema: ({ z }) =>
      z
        .strictObject({ sigma: z.number().positive().max(10).describe('deviation of the noise, in deviations of the pixels') })
        .describe('how much noise is added'),
  },
  defaults: (file) => ({ name: 'denoise', ...file, denoise: { sigma: DEFAULT_SIGMA, ...file.denoise } }),
  issues: (job) =>
    job.model.maskRatio === 0.75 ? [] : [{ path: ['model', 'maskRatio'], message: 'means nothing to recipe denoise; leave it out' }],

  // What it tells at each step beside loss, learning rate and gradient norm.
  loss: 'mean squared error on all patches',
  series: [{ name: 'psnr', label: 'PSNR', better: 'higher', about: 'in decibels, over four deviations of the pixels' }],

  plan(job, _data, { graph: ops, trainingGraph, vit }) {
    const config = vit.config(job.model);
    const [patches, length] = [vit.patchCount(config), vit.patchLength(config)];
    const images = vit.images(config);
    const noise = { name: 'noise', dtype: 'float32', shape: images.shape };
    const { sigma } = job.denoise;
    const parameters = [
      ...vit.parameters(config).filter(vit.isEncoderParameter),
      { name: 'head.weight', shape: [length, config.embedDim], decay: true },
      { name: 'head.bias', shape: [length], decay: false },
    ];

    /** The loss of a micro batch, and the signal-to-noise ratio of its images, summed over them. */
    function lossOf({ graph, parameter, input, gradScale }) {
      const clean = vit.patchify(input('images'), config); // [N, L, P]
      const noisy = ops.add(clean, vit.patchify(input('noise'), config));
      const tokens = vit.encode(noisy, vit.positions(graph, config), parameter, config); // [N * (1 + L), D]
      const ofPatches = ops.slice(ops.reshape(tokens, ['N', 1 + patches, config.embedDim]), { axis: 1, start: 1 });
      const prediction = vit.linear(ops.reshape(ofPatches, [-1, config.embedDim]), parameter, 'head'); // [N * L, P]
      const target = ops.reshape(clean, prediction.dims);
      const loss = vit.squaredErrorLoss(prediction, target, gradScale);

      // Of each image: 10 log10(range^2 / mean squared error), with the range of two deviations to either side of the mean.
      const error = ops.reshape(ops.sub(prediction, target), ['N', patches * length]);
      const squared = ops.reduceMean(ops.mul(error, error), { axes: [1] }); // [N]
      const psnr = ops.mul(ops.log(ops.div(16, squared)), 10 / Math.LN10);
      return { loss, metrics: { psnr: ops.reduceSum(psnr) } };
    }

    return {
      parameters,
      image: { imageSize: config.imageSize, channels: config.channels },
      inputs: [images, noise],

      // Called for each sample, in threads: everything random comes from the sample's own streams.
      fillSample(sample, out) {
        const stream = sample.random('noise');
        for (let i = 0; i < out.noise.length; i++) out.noise[i] = sigma * stream.normal();
        return sample.readImage(out.images);
      },

      buildTraining: () => trainingGraph({ parameters, inputs: [images, noise], loss: lossOf }),

      // squaredErrorLoss is gradScale / 2 x the sum of squared errors: this makes it the mean over all values of a step.
      lossScale: (planned) => 2 / (length * patches * planned),

      drawParameter(parameter, stream, out) {
        if (parameter.name === 'head.bias') return;
        if (parameter.name !== 'head.weight') return vit.drawTensor(config, parameter, stream, out);
        const bound = Math.sqrt(6 / (length + config.embedDim)); // Xavier
        for (let i = 0; i < out.length; i++) out[i] = bound * (2 * stream.uniform() - 1);
      },

      model: { ...config, sigma },
    };
  },
};
