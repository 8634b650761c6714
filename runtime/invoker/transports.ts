/** One port for all deployments. */
import type { HttpTransport } from './http-transport.ts';
import type { LambdaTransports } from './lambda-transport.ts';
import type { Transports } from './transport.ts';

/** `http` is closed by whoever made it. */
export const createTransports = (lambda: LambdaTransports, http: Pick<HttpTransport, 'of'>): Transports => ({
  of: endpoint => (endpoint.kind === 'lambda' ? lambda.of(endpoint) : http.of(endpoint)),
});
