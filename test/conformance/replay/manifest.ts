/** The manifest of the recorded deployment: what it said of itself, and handlers that later recordings had. */
import { readVector } from '../../../protocol/vectors.testkit.ts';
import { type Scenario, scenarios } from './recording.ts';

interface Service {
  readonly name: string;
  readonly ty: string;
  readonly handlers: readonly { readonly name: string; readonly ty?: string }[];
}

function recordedServices(): Service[] {
  const { body } = readVector('lambda-discovery.json')['lambda_response'] as { readonly body: string };
  return (JSON.parse(Buffer.from(body, 'base64').toString()) as { readonly services: Service[] }).services;
}

/** Frames written by hand were sent as handlers of `P`; some scenarios have handlers that came later. */
function allServices(): Service[] {
  const services: Service[] = [
    ...recordedServices(),
    { name: 'P', ty: 'SERVICE', handlers: [{ name: 'b' }] },
  ];
  const called = scenarios.flatMap(({ conversations }) =>
    conversations.map(({ path }) => path.split('/').slice(2)),
  );
  return services.map(service => {
    const known = new Set(service.handlers.map(({ name }) => name));
    const more = called.flatMap(([name, handler = '']) =>
      name === service.name && !known.has(handler) ? [handler] : [],
    );
    return { ...service, handlers: [...service.handlers, ...[...new Set(more)].map(name => ({ name }))] };
  });
}

const services = allServices();
/** The recorded server had a shorter one for the scenario that waits for it. */
const INACTIVITY_MS = 2000;

export function manifestFor(transport: Scenario['transport']): object {
  const isBidi = transport === 'bidi';
  return {
    protocolMode: isBidi ? 'BIDI_STREAM' : 'REQUEST_RESPONSE',
    minProtocolVersion: 5,
    maxProtocolVersion: 7,
    services: isBidi ? services.map(each => ({ ...each, inactivityTimeout: INACTIVITY_MS })) : services,
  };
}
