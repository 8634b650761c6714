/**
 * The context's console. Its lines go to the real one, with where they come from, and silent on replay; or to the
 * endpoint's logger, which hears of all and is told which are repeated.
 *
 * On Lambda with the log format JSON, where the real one makes an object of each line, a line is one too:
 * `message.invocationId` can be searched for, and what is logged stays what it is. Elsewhere it has a prefix.
 */
import type { Attempt } from '../attempt.ts';
import type { LoggerTransport, RestateLogLevel } from '../logger.ts';
import type { Request } from './context.ts';

const LEVELS = ['log', 'info', 'warn', 'error', 'debug', 'trace'];

export function createConsole(
  base: Console,
  logger: LoggerTransport | undefined,
  attempt: Attempt,
  request: Request,
): Console {
  const { target, id: invocationId } = request;
  const invocationTarget = `${target}`;
  const context = {
    invocationTarget,
    invocationId,
    serviceName: target.service,
    handlerName: target.handler,
    ...(target.key && { key: target.key }),
    request,
  };
  const lineOf = (args: readonly unknown[]): readonly unknown[] => {
    const [first, ...rest] = args;
    if (globalThis.process?.env['AWS_LAMBDA_LOG_FORMAT'] === 'JSON')
      return [{ invocationTarget, invocationId, message: rest.length > 0 ? args : first }];
    const prefix = `[${invocationTarget}][${invocationId}]`;
    // What is first is a format string for what follows; the prefix, with a key of anybody's making, is none.
    return typeof first === 'string' ? [`%s ${first}`, prefix, ...rest] : ['%s', prefix, ...args];
  };
  return new Proxy(base, {
    get(original, property, receiver) {
      const member: unknown = Reflect.get(original, property, receiver);
      if (typeof member !== 'function') return member;
      const isLine = LEVELS.includes(property as string);
      return (...args: unknown[]) => {
        const { replaying } = attempt;
        if (logger && isLine) {
          const level = (property === 'log' ? 'info' : property) as RestateLogLevel;
          logger({ source: 'USER', level, replaying, context }, ...args);
        } else if (!replaying) {
          return member.apply(original, isLine ? lineOf(args) : args);
        }
      };
    },
  });
}
