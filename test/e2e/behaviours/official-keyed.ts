import * as sdk from '@restatedev/restate-sdk/lambda';
import { defineKeyed } from './define.ts';

export const handler = defineKeyed(sdk, { own: 'Official', other: 'Holdfast' });
