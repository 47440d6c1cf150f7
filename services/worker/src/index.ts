import '@maestro/recipes';

export { ARTIFACT_FILES, writeArtifacts } from './checkpoint/artifacts.ts';
