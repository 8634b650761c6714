import * as sdk from '@holdfast/sdk-lambda';
import { createEndpointHandler } from '@holdfast/sdk-lambda/node';
import type { Sdk } from '../sdk.ts';
import { servicesFor } from './endpoints.ts';
import { identityOf } from './environment.ts';
import { serveEndpoints } from './http.ts';

serveEndpoints(name =>
  createEndpointHandler({
    services: servicesFor(sdk as unknown as Sdk, name) as never,
    ...identityOf(name),
  }),
);
