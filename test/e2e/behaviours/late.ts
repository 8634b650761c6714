/** A service that is registered after it has been called; the test names it. */
import { type Context, createEndpointHandler, service } from '@holdfast/sdk-lambda';

const late = service({
  name: process.env['SERVICE'] ?? 'Late',
  handlers: { hello: async (_ctx: Context): Promise<string> => 'at last' },
});

export const handler = createEndpointHandler({ services: [late] });
