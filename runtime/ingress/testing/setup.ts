/** Test support: an ingress over a scripted engine with a service of every kind. */
import type { Reply } from '../../partition/engine.ts';
import type { Clock, Logger } from '../../platform/ports.ts';
import { createIngress, type IngressLimits } from '../ingress.ts';
import { handlerMetadata, ID, ScriptedEngine, serviceMetadata } from './scripted-engine.ts';

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
export const clock: Clock = { now: () => 0, monotonicMs: () => 0 };

export function setUp(limits: IngressLimits = {}) {
  const shared = ['approve', 'peek', 'send'].map(name => handlerMetadata(name, { type: 'shared' }));
  const object = [handlerMetadata('add', { type: 'exclusive' }), ...shared];
  const engine = new ScriptedEngine([
    serviceMetadata('Svc', [
      ...['echo', 'nothing', 'longsleep', 'fail', 'send', 'whoami'].map(name => handlerMetadata(name)),
      handlerMetadata('hidden', { public: false }),
      handlerMetadata('any', { input: { required: false, contentType: '*/*' } }),
      handlerMetadata('text', { input: { required: false, contentType: 'text/*' } }),
      handlerMetadata('must', { input: { required: true, contentType: 'application/json' } }),
      handlerMetadata('no', { input: { required: false } }),
      handlerMetadata('schema', { input: { required: false, contentType: '*/*', jsonSchema: {} } }),
      handlerMetadata('empty', { output: { contentType: 'text/plain', setContentTypeIfEmpty: true } }),
    ]),
    serviceMetadata('Full', [handlerMetadata('h')], { public: false }),
    serviceMetadata('Obj', object, { type: 'virtualObject' }),
    serviceMetadata('Wf', [handlerMetadata('run', { type: 'workflow' }), ...shared], { type: 'workflow' }),
    serviceMetadata('Lazy', object, { type: 'virtualObject' }),
  ]);
  return { engine, ingress: createIngress({ engine, logger: silent, clock, limits }) };
}

export const value = (text: string): Reply => ({
  id: ID,
  result: { kind: 'success', value: new TextEncoder().encode(text) },
  target: { service: 'Svc', handler: 'echo', key: '' },
});
