/** Durable handlers on AWS Lambda. */
import { createEndpointHandler, endpoint } from './lambda.ts';

export * from './api.ts';
export type { LambdaEndpoint, LambdaEvent, LambdaHandler, LambdaResponse } from './lambda.ts';

export { createEndpointHandler, endpoint };
/** As `import { lambda }` of the Restate SDK. */
export const lambda = { createEndpointHandler, endpoint };
