import { loadNative } from './nativeLibrary.ts';
import { wrongOperators } from './testVectors.ts';

// Checks a library on an instruction set in a process of its own, which a fault in native code may end: see checkNative.ts.
const [path, isa] = process.argv.slice(2) as [string, string];
const library = loadNative(path);
if (typeof library === 'string') throw new Error(library);
library.useIsa(isa);
process.stdout.write(JSON.stringify(wrongOperators(library)));
