/** An orchestrator for a setting, with the handlers of both SDKs registered over its transport. */
import { join } from 'node:path';
import { startS3 } from '../doubles/s3.ts';
import type { SdkName, Setting } from '../e2e/behaviours/dimensions.ts';
import type { Notes } from '../e2e/behaviours/notes.ts';
import type { Played } from '../e2e/behaviours/play.ts';
import { MAIN_ENDPOINTS } from '../e2e/behaviours/served/endpoints.ts';
import { AdminClient, IngressClient, Orchestrator, writeIdentityKey } from '../e2e/harness/index.ts';
import type { Handlers } from './handlers.ts';

export interface System extends Played {
  /** SIGKILL, and the same again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Timeouts of a kind that a table of waits can wait for. */
const FAST = { retryInitialInterval: '20ms', retryMaxInterval: '500ms', storeFlushInterval: '100ms' };

export interface SystemOptions {
  readonly handlers: Handlers;
  readonly setting: Setting;
  /** For what it stores. */
  readonly dir: string;
  readonly notes: Notes;
  readonly onLog?: (line: string) => void;
}

const BUCKET = 'holdfast';

/** Settings of the orchestrator that concern protocol and transport. */
const settingsOf = ({ transport, version }: Setting, dir: string): Record<string, string | number> => ({
  ...FAST,
  requestIdentityKeyFile: writeIdentityKey(join(dir, 'identity.pem')),
  protocolVersionMax: version,
  ...(transport === 'lambda'
    ? { objectStore: `s3://${BUCKET}/payloads` }
    : { httpEndpoints: 'localhost,127.0.0.1' }),
});

export type StartSystem = (options: SystemOptions) => Promise<System>;

export const startSystem: StartSystem = async ({ handlers, setting, dir, onLog }) => {
  const { transport, version } = setting;
  const s3 = await startS3({ secrets: { local: 'local' }, bucket: BUCKET });
  const orchestrator = new Orchestrator({
    dataDir: join(dir, `data-${transport}-${version}`),
    lambdaUrl: handlers.lambdaUrl,
    compileCache: join(dir, 'compiled'),
    settings: settingsOf(setting, dir),
    env: { AWS_ENDPOINT_URL_S3: s3.url },
    ...(onLog === undefined ? {} : { onLog }),
  });
  const stop = async (): Promise<void> => {
    // Not SIGTERM: attempts under way are of no use to anybody.
    if (orchestrator.running) await orchestrator.kill();
    await s3.close();
  };
  try {
    const { ingressUrl, adminUrl } = await orchestrator.start();
    const admin = new AdminClient(adminUrl);
    const register = async (endpoint: string): Promise<string> =>
      admin.register(await handlers.registration(transport, endpoint));
    await Promise.all(MAIN_ENDPOINTS.map(({ name }) => register(name)));
    const restart = async (): Promise<void> => {
      await orchestrator.kill();
      await orchestrator.start();
    };
    const mortal = async (sdk: SdkName) => {
      const { server, registration } = await handlers.mortal(transport, sdk);
      await admin.register(registration);
      return server;
    };
    const objects = (id: string): readonly string[] => [...s3.objects.keys()].filter(key => key.includes(id));
    return { ingress: new IngressClient(ingressUrl), admin, register, mortal, objects, restart, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
