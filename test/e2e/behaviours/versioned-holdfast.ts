import * as sdk from '@holdfast/sdk-lambda';
import { defineVersioned } from './handlers/versioned.ts';
import type { Sdk } from './sdk.ts';

export const handler = defineVersioned(sdk as unknown as Sdk);
