import { serveCompute } from '../threads/serveCompute.ts';
import { openEvaluatorHost } from './evaluatorHost.ts';

await serveCompute(openEvaluatorHost);
