import { serveCompute } from '../threads/serveCompute.ts';
import { openTrainerHost } from './trainerHost.ts';

await serveCompute(openTrainerHost);
