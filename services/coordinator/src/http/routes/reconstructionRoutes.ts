import { readFile } from 'node:fs/promises';
import { jobParamsSchema, MaestroError, numberKey, pageOf, pageQuerySchema, pageSchema, reconstructionSchema } from '@maestro/protocol';
import { z } from 'zod';
import { picturePath, picturesFolder, readPictures } from '../../reconstruction/pictures.ts';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { PROBLEMS } from '../problemResponses.ts';

const pictureParamsSchema = jobParamsSchema.extend({
  file: z
    .string()
    .regex(/^[0-9]{1,15}\.png$/, 'expected a step and .png')
    .describe('a step with the suffix .png'),
});

/** Adds the routes of a job's reconstructions of masked images. */
export function addReconstructionRoutes(app: HttpApp, { coordinator, dataDir }: HttpDeps): void {
  const tags = ['metrics'];
  app.get(
    '/api/v1/jobs/:id/reconstructions',
    {
      schema: {
        operationId: 'listReconstructions',
        summary: "Lists a job's reconstructions, newest first; always of the same images and masks.",
        tags,
        params: jobParamsSchema,
        querystring: pageQuerySchema,
        response: { 200: pageSchema(reconstructionSchema), ...PROBLEMS },
      },
    },
    async (request) => {
      const { id } = coordinator.get(request.params.id);
      const pictures = (await readPictures(picturesFolder(dataDir, id))).reverse();
      const { items, ...rest } = pageOf(pictures, request.query, ({ step }) => numberKey(step), 'descending');
      return {
        items: items.map(({ step, createdAt, areHeldOut = true, maskedError, meanFillError }) => ({
          step,
          createdAt,
          maskedError,
          areHeldOut,
          meanFillError,
          imageUrl: `/api/v1/jobs/${id}/reconstructions/${step}.png`,
        })),
        ...rest,
      };
    },
  );

  app.get(
    '/api/v1/jobs/:id/reconstructions/:file',
    {
      schema: {
        operationId: 'getReconstruction',
        summary: 'Returns a picture with a row per image: original, masked, prediction, prediction with the visible patches pasted.',
        tags,
        params: pictureParamsSchema,
        response: { 200: { description: 'The picture.', content: { 'image/png': { schema: z.string() } } }, ...PROBLEMS },
      },
    },
    async (request, reply) => {
      const { id, file } = request.params;
      const step = Number.parseInt(file, 10);
      const path = picturePath(picturesFolder(dataDir, coordinator.get(id).id), step);
      const picture = await readFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') throw new MaestroError('not-found', `job ${id}: there is no picture of step ${step}`);
        throw new MaestroError('storage', `job ${id}: the picture of step ${step} cannot be read: ${error.message}`, { cause: error });
      });
      // A step that is redrawn, by a job that went back, has the same weights.
      return reply
        .type('image/png')
        .header('cache-control', 'private, max-age=31536000, immutable')
        .send(picture as unknown as string);
    },
  );
}
