/** The Restate server in place of our orchestrator; installed on demand outside the workspace. */
import { join } from 'node:path';
import { startRestate } from '../bench/processes.ts';
import type { SdkName, Setting } from '../e2e/behaviours/dimensions.ts';
import { MAIN_ENDPOINTS } from '../e2e/behaviours/served/endpoints.ts';
import { IngressClient, writeIdentityKey } from '../e2e/harness/index.ts';
import { PeerAdmin } from './peer-admin.ts';
import type { StartSystem } from './system.ts';

const VERSION = '1.7.12';

/** Its experimental flow control comes with scopes, and changes much else: it is on in one setting. */
export const withFlowControl = ({ transport, version }: Setting): boolean =>
  transport === 'http2' && version === 7;

export const startPeer: StartSystem = async ({ handlers, setting, dir, notes }) => {
  configure(setting, dir);
  const restate = await startRestate(handlers.lambdaUrl, VERSION);
  try {
    const admin = new PeerAdmin(restate.admin, notes);
    const register = async (endpoint: string): Promise<string> =>
      admin.register(await handlers.registration(setting.transport, endpoint));
    for (const { name } of MAIN_ENDPOINTS) await register(name);
    const mortal = async (sdk: SdkName) => {
      const { server, registration } = await handlers.mortal(setting.transport, sdk);
      await admin.register(registration);
      return server;
    };
    return {
      ingress: new IngressClient(restate.ingress),
      admin,
      register,
      mortal,
      objects: () => [],
      restart: () => Promise.reject(new Error('the peer is not restarted')),
      stop: restate.stop,
    };
  } catch (error) {
    await restate.stop();
    throw error;
  }
};

/** It reads its settings from the environment, which its process inherits. */
function configure(setting: Setting, dir: string): void {
  const variables = {
    EXPERIMENTAL_ENABLE_PROTOCOL_V7: String(setting.version >= 7),
    EXPERIMENTAL_ENABLE_VQUEUES: String(withFlowControl(setting)),
    WORKER__INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE: writeIdentityKey(join(dir, 'identity.pem')),
  };
  for (const [name, value] of Object.entries(variables)) process.env[`RESTATE_${name}`] = value;
}
