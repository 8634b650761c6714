import * as sdk from '@holdfast/sdk-lambda';
import { defineKeyed } from './define.ts';
import type { Sdk } from './sdk.ts';

export const handler = defineKeyed(sdk as unknown as Sdk, { own: 'Holdfast', other: 'Official' });
