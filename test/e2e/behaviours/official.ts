import * as sdk from '@restatedev/restate-sdk/lambda';
import { define } from './define.ts';

export const handler = define(sdk, { own: 'Official', other: 'Holdfast' });
