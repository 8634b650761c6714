/** Ids of deployments in requests. */
import { decodeId, ProtocolError } from '@holdfast/protocol';
import type { DeploymentId } from '../core/model.ts';
import { Refusal, text } from './answers.ts';

/** Of a path: malformed ids there are answered in plain text. */
export function parseDeploymentId(id: string): DeploymentId {
  const reason = malformed(id);
  if (reason === undefined) return id as DeploymentId;
  throw new Refusal(text(400, `bad deployment id in the path: ${reason}`));
}

export const isDeploymentId = (id: string): id is DeploymentId => malformed(id) === undefined;

function malformed(id: string): string | undefined {
  try {
    decodeId('dp', id);
    return undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.message;
  }
}
