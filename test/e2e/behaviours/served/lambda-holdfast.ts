import * as sdk from '@holdfast/sdk-lambda';
import type { Sdk } from '../sdk.ts';
import { servicesFor } from './endpoints.ts';
import { endpointName, identityOf } from './environment.ts';

// The two differ in brands and private members only; types.test.ts of the SDK compares what users write.
const services = servicesFor(sdk as unknown as Sdk, endpointName());

export const handler = sdk.createEndpointHandler({
  services: services as never,
  ...identityOf(endpointName()),
});
