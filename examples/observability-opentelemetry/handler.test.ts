import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { createEndpointHandler } from '@holdfast/sdk-lambda/node';
import { BasicTracerProvider, BatchSpanProcessor, InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Stack, startStack } from '../../test/e2e/harness/index.ts';
import { servicesWith } from './handler.ts';
import { tracing } from './tracing.ts';

// In this process and one request for each attempt, as on Lambda, so that the test can look at the spans.
const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
const services = servicesWith(tracing(provider.getTracer('test'), () => provider.forceFlush()));
const server = http.createServer(createEndpointHandler({ services, bidirectional: false }));

let stack: Stack;
beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  stack = await startStack({ functions: [], settings: { httpEndpoints: 'localhost' } });
  await stack.admin.register({ uri: `http://127.0.0.1:${port}`, use_http_11: true });
});
afterAll(async () => {
  await stack.stop();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => exporter.reset());

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';

test('the attempts of an invocation, its steps and what it calls are one trace, below the original call', async () => {
  const { id, body } = await stack.ingress.call('orders/place', 'lamp', {
    headers: { traceparent: `00-${TRACE}-${CALLER}-01` },
  });
  expect(body).toBe('one lamp');
  // Every span is exported by the time of the answer, for the attempt has waited for it.
  const spans = exporter.getFinishedSpans();
  const names = new Map(spans.map(span => [span.spanContext().spanId, span.name]));
  for (const span of spans) expect(span.spanContext().traceId).toBe(TRACE);
  const tree = spans.map(({ name, parentSpanContext }) => [
    name,
    parentSpanContext?.spanId === CALLER ? 'the call' : names.get(parentSpanContext?.spanId ?? ''),
  ]);
  const steps = tree.filter(([name]) => name?.startsWith('run'));
  expect(steps).toEqual([
    ['run take', 'attempt stock/take'],
    ['run charge', 'attempt orders/place'],
  ]);
  const attempts = spans.filter(({ name }) => name === 'attempt orders/place');
  expect(attempts.length).toBeGreaterThan(2);
  expect(tree.filter(([name]) => name === 'attempt orders/place').map(([, parent]) => parent)).toEqual(
    attempts.map(() => 'the call'),
  );
  expect(attempts.map(({ attributes }) => attributes['holdfast.replay'])).toEqual(
    attempts.map((_, index) => index > 0),
  );
  expect(attempts.map(({ attributes }) => attributes['holdfast.suspended'])).toEqual(
    attempts.map((_, index) => (index < attempts.length - 1 ? true : undefined)),
  );
  for (const { attributes } of attempts) expect(attributes['holdfast.invocation']).toBe(id);
  expect(spans.find(({ name }) => name === 'run charge')?.attributes['item']).toBe('lamp');
});

test('without a traced caller the attempts are one trace as well', async () => {
  await stack.ingress.call('orders/place', 'lamp');
  const ids = exporter
    .getFinishedSpans()
    .filter(({ attributes }) => attributes['holdfast.target'] === 'orders/place')
    .map(span => span.spanContext().traceId);
  expect(ids.length).toBeGreaterThan(3);
  expect(new Set(ids).size).toBe(1);
});
