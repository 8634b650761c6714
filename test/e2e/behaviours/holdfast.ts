import * as sdk from '@holdfast/sdk-lambda';
import { define } from './define.ts';
import type { Sdk } from './sdk.ts';

// The two differ in brands and private members only; types.test.ts of the SDK compares what users write.
export const handler = define(sdk as unknown as Sdk, { own: 'Holdfast', other: 'Official' });
