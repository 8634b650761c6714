/** All targets by name. A module is loaded when its target is asked for. */
import type { Target } from '../target.ts';

export const TARGETS: Readonly<
  Record<string, () => Promise<{ readonly createTarget: () => Target | Promise<Target> }>>
> = {
  frames: () => import('./frames.ts'),
  'lambda-envelope': () => import('./lambda-envelope.ts'),
  manifest: () => import('./manifest.ts'),
  ingress: () => import('./ingress.ts'),
  admin: () => import('./admin.ts'),
  sdk: () => import('./sdk.ts'),
  'sdk-stream': () => import('./sdk-stream.ts'),
  engine: () => import('./engine.ts'),
  zstd: () => import('./zstd.ts'),
  offload: () => import('./offload.ts'),
  identity: () => import('./identity.ts'),
  'http-server': () => import('./http-server.ts'),
  'http-answers': () => import('./http-answers.ts'),
};

export async function openTarget(name: string): Promise<Target> {
  const load = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined;
  if (load === undefined) throw new Error(`no target ${name}; there are ${Object.keys(TARGETS).join(', ')}`);
  return (await load()).createTarget();
}
