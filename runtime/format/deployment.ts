/**
 * Deployments and services as JSON text: written once per registration or change of settings, read often by
 * people, growing by optional fields.
 */
import type { Deployment, ServiceMetadata } from '../core/model.ts';
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts';

export const writeDeployment = (w: ByteWriter, deployment: Deployment): void =>
  w.string(JSON.stringify(deployment));
export const readDeployment = (r: ByteReader): Deployment => readJson(r, 'a deployment') as Deployment;

export const writeService = (w: ByteWriter, service: ServiceMetadata): void =>
  w.string(JSON.stringify(service));
export const readService = (r: ByteReader): ServiceMetadata => readJson(r, 'a service') as ServiceMetadata;

function readJson(r: ByteReader, what: string): unknown {
  try {
    return JSON.parse(r.string());
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(`${what} is no JSON`);
    throw error;
  }
}
