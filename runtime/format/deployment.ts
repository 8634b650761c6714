/** A deployment as JSON text: written once per registration, read often by people, grows by optional fields. */
import type { Deployment } from '../core/model.ts';
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts';

export const writeDeployment = (w: ByteWriter, deployment: Deployment): void =>
  w.string(JSON.stringify(deployment));

export function readDeployment(r: ByteReader): Deployment {
  try {
    return JSON.parse(r.string()) as Deployment;
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged('a deployment is no JSON');
    throw error;
  }
}
