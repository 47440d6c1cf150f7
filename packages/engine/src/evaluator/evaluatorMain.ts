import { openEvaluatorHost } from './evaluatorHost.ts';
import { serveCompute } from '../threads/serveCompute.ts';

await serveCompute(openEvaluatorHost);
