import '@maestro/recipes';
import { createProgram } from '../program.ts';
import { referencePage } from './reference.ts';

process.stdout.write(referencePage(createProgram()));
