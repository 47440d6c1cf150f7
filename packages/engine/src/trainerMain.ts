import { serveCompute } from './serveCompute.ts';
import { openTrainerHost } from './trainerHost.ts';

await serveCompute(openTrainerHost);
