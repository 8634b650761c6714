import * as sdk from '@restatedev/restate-sdk/lambda';
import { servicesFor } from './endpoints.ts';
import { endpointName, identityOf } from './environment.ts';

export const handler = sdk.createEndpointHandler({
  services: servicesFor(sdk, endpointName()),
  ...identityOf(endpointName()),
});
