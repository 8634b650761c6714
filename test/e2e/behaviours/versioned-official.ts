import * as sdk from '@restatedev/restate-sdk/lambda';
import { defineVersioned } from './handlers/versioned.ts';

export const handler = defineVersioned(sdk);
