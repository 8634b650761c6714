import { Logger } from '@aws-lambda-powertools/logger';
import {
  type Context,
  createEndpointHandler,
  type HooksProvider,
  internal,
  type LoggerTransport,
  service,
} from '@holdfast/sdk-lambda';

const logger = new Logger({ serviceName: 'orders' });

/** Every line that is written during an attempt tells which invocation, attempt and function request it is of. */
const withInvocation: HooksProvider = ({ request, recordedSteps }) => ({
  interceptor: {
    handler: async next => {
      const [lambda] = request.extraArgs as [Parameters<Logger['addContext']>[0]?];
      if (lambda) logger.addContext(lambda);
      logger.appendKeys({ invocation: request.id, target: `${request.target}`, recordedSteps });
      try {
        await next();
        logger.info('completed');
      } catch (error) {
        // A suspension is no failure.
        if (!internal.isSuspendedError(error)) logger.error('attempt failed', error as Error);
        throw error;
      } finally {
        // The next attempt in this environment is of another invocation.
        logger.resetKeys();
      }
    },
    run: async (step, next) => {
      const startedAt = performance.now();
      await next();
      logger.info('step executed', { step, ms: Math.round(performance.now() - startedAt) });
    },
  },
});

/** What handlers write to `ctx.console`, once: not again when recorded steps are replayed. */
const toLogger: LoggerTransport = ({ level, replaying }, message, ...more) => {
  if (!replaying) logger[level](String(message), ...more);
};

export const orders = service({
  name: 'orders',
  handlers: {
    place: async (ctx: Context, number: string): Promise<string> => {
      ctx.console.info('placed', { number });
      const payment = await ctx.run('charge', () => {
        // In a closure, anything may be logged directly: it is not executed again once its result is recorded.
        logger.info('charging');
        return `payment of ${number}`;
      });
      await ctx.sleep({ milliseconds: 200 });
      ctx.console.info('paid', { payment });
      await ctx.run('ship', () => undefined);
      return payment;
    },
  },
  options: { hooks: [withInvocation] },
});

export const handler = createEndpointHandler({ services: [orders], logger: toLogger });
