/** `npm run build [-- <folder>]`: the package into `sdk-lambda/dist`, or the folder. */
import { join } from 'node:path';
import { buildPackage } from './build.ts';
import { sdkFolder } from './package-source.ts';

const folder = process.argv[2] ?? join(sdkFolder, 'dist');
await buildPackage(folder);
console.log(`built ${folder}; publish it with: npm publish ${folder}`);
