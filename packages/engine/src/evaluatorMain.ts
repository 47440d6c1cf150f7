import { openEvaluatorHost } from './evaluatorHost.ts';
import { serveCompute } from './serveCompute.ts';

await serveCompute(openEvaluatorHost);
