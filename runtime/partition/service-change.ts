/** A service's settings as an operator changes them. Pure. */
import type { HandlerMetadata, ServiceMetadata } from '../core/model.ts';
import type { ServiceChange } from './engine.ts';

/** Undefined: it has no such handler. A change of the service is also the word for handlers that have their own. */
export function changedService(service: ServiceMetadata, change: ServiceChange): ServiceMetadata | undefined {
  const { handler: only, ...settings } = change;
  if (only === undefined) {
    const { retryPolicy, ...own } = settings;
    return {
      ...service,
      ...own,
      retryPolicy: { ...service.retryPolicy, ...retryPolicy },
      handlers: service.handlers.map(handler => overridden(handler, settings)),
    };
  }
  if (!service.handlers.some(({ name }) => name === only)) return undefined;
  return {
    ...service,
    handlers: service.handlers.map(handler =>
      handler.name === only ? changedHandler(handler, settings) : handler,
    ),
  };
}

type Settings = Omit<ServiceChange, 'handler'>;

function changedHandler(handler: HandlerMetadata, { retryPolicy, ...own }: Settings): HandlerMetadata {
  if (retryPolicy === undefined) return { ...handler, ...own };
  return { ...handler, ...own, retryPolicy: { ...handler.retryPolicy, ...retryPolicy } };
}

/** Only what the handler has said itself is in the way of the service's new word. */
function overridden(handler: HandlerMetadata, { retryPolicy, ...own }: Settings): HandlerMetadata {
  const changed: Record<string, unknown> = { ...handler };
  for (const [name, value] of Object.entries(own)) if (name in handler) changed[name] = value;
  if (retryPolicy !== undefined && handler.retryPolicy !== undefined) {
    changed['retryPolicy'] = { ...handler.retryPolicy, ...retryPolicy };
  }
  return changed as unknown as HandlerMetadata;
}
