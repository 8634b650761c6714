import * as sdk from '@restatedev/restate-sdk/node';
import { servicesFor } from './endpoints.ts';
import { identityOf } from './environment.ts';
import { serveEndpoints } from './http.ts';

serveEndpoints(name => sdk.createEndpointHandler({ services: servicesFor(sdk, name), ...identityOf(name) }));
