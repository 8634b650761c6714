import { type Context, createEndpointHandler, type HooksProvider, rpc, service } from '@holdfast/sdk-lambda';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, BatchSpanProcessor, ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import { traceHeaders, tracing } from './tracing.ts';

export function servicesWith(hook: HooksProvider) {
  const stock = service({
    name: 'stock',
    handlers: {
      take: async (ctx: Context, item: string): Promise<string> => ctx.run('take', () => `one ${item}`),
    },
    options: { hooks: [hook] },
  });
  const orders = service({
    name: 'orders',
    handlers: {
      place: async (ctx: Context, item: string): Promise<string> => {
        const taken = await ctx
          .serviceClient(stock)
          .take(item, rpc.opts({ headers: traceHeaders(ctx.request()) }));
        await ctx.run('charge', () => {
          // Code within the closure is in its span.
          trace.getActiveSpan()?.setAttribute('item', item);
        });
        await ctx.sleep({ milliseconds: 50 });
        return taken;
      },
    },
    options: { hooks: [hook] },
  });
  return [orders, stock];
}

// To have the span that is open known to the code inside it.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
// In production an OTLP exporter.
const spans = new BatchSpanProcessor(new ConsoleSpanExporter());
const provider = new BasicTracerProvider({ spanProcessors: [spans] });

export const handler = createEndpointHandler({
  services: servicesWith(tracing(provider.getTracer('orders'), () => provider.forceFlush())),
});
