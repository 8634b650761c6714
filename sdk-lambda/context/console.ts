/**
 * The context's console. Its lines go to the real one, prefixed with where they come from and silent on replay, or to
 * the endpoint's logger, which hears of all and is told which are repeated.
 */
import type { LoggerTransport, RestateLogLevel } from '../logger.ts';
import type { Machine } from '../machine/machine.ts';
import type { Request } from './context.ts';

const LEVELS = ['log', 'info', 'warn', 'error', 'debug', 'trace'];

export function createConsole(
  base: Console,
  logger: LoggerTransport | undefined,
  machine: Machine,
  request: Request,
): Console {
  const { target, id } = request;
  const context = {
    invocationTarget: `${target}`,
    invocationId: id,
    serviceName: target.service,
    handlerName: target.handler,
    ...(target.key && { key: target.key }),
    request,
  };
  return new Proxy(base, {
    get(original, property, receiver) {
      const member: unknown = Reflect.get(original, property, receiver);
      if (typeof member !== 'function') return member;
      const isLine = LEVELS.includes(property as string);
      return (...args: unknown[]) => {
        const { replaying } = machine;
        if (logger && isLine) {
          const level = (property === 'log' ? 'info' : property) as RestateLogLevel;
          logger({ source: 'USER', level, replaying, context }, ...args);
        } else if (!replaying) {
          return member.apply(original, isLine ? [`[${target}][${id}]`, ...args] : args);
        }
      };
    },
  });
}
