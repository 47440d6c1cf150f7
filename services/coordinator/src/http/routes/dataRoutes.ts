import { surveyData } from '@maestro/data';
import { dataSurveyQuerySchema, dataSurveySchema, requireInside } from '@maestro/protocol';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { limitWork } from '../limitedWork.ts';
import { PROBLEMS } from '../problemResponses.ts';

/** Adds the route that surveys the data at a path. */
export function addDataRoutes(app: HttpApp, { roots }: Pick<HttpDeps, 'roots'>): void {
  const surveys = limitWork({ what: 'data', atOnce: 4, waiting: 16 });
  app.get(
    '/api/v1/data',
    {
      // Whoever may submit a job learns as much by submitting one.
      config: { role: 'submit' },
      schema: {
        operationId: 'surveyData',
        summary: 'Examines a data path: format, samples, class folders, or what is wrong with it. Decodes nothing.',
        description:
          'Confined to the locations that jobs may use. Answers within a few seconds; whatever could not be counted by then is said to ' +
          'be more.',
        tags: ['jobs'],
        querystring: dataSurveyQuerySchema,
        response: { 200: dataSurveySchema, ...PROBLEMS },
      },
    },
    async ({ query: { path } }) => {
      await requireInside('path', path, roots);
      const { classes, ...survey } = await surveys(path, () => surveyData(path));
      return { ...survey, classes: [...classes] };
    },
  );
}
