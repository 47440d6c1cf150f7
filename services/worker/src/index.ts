import '@maestro/recipes';

export { ARTIFACT_FILES, writeArtifacts } from './artifacts.ts';
