/** What anybody may send to the port for callers. In process; the listener before it has a target of its own. */

import { Exchange } from '../../../runtime/ingress/testing/scripted-engine.ts';
import { setUp } from '../../../runtime/ingress/testing/setup.ts';
import { httpRequests } from '../seeds.ts';
import { demand, type Target, type Verdict } from '../target.ts';
import { mutateHttp, requestParts } from './http-text.ts';

export function createTarget(): Target {
  const { ingress, engine } = setUp();
  const pass = (input: Uint8Array): Verdict => {
    const parts = requestParts(input);
    if (parts === undefined) return 'refused';
    const { method, url, headers, body } = parts;
    engine.invoked.length = 0;
    engine.signals.length = 0;
    engine.idempotent.length = 0;
    engine.workflows.length = 0;
    const exchange = new Exchange(ingress, method, url, headers, body);
    const { sent } = exchange;
    if (sent === undefined) {
      const waiters = (): number => engine.waiters.size;
      demand(waiters() === 1, 'it is neither answered nor does it wait');
      exchange.close();
      demand(waiters() === 0, 'who has gone still waits');
    } else checkAnswer(sent);
    for (const { target, headers: forwarded, idempotencyKey } of engine.invoked) {
      demand(
        [target.service, target.handler, target.key].every(text => text.isWellFormed()),
        'a name is no text',
      );
      demand(
        forwarded.every(([name, value]) => typeof name === 'string' && typeof value === 'string'),
        'headers',
      );
      demand(idempotencyKey === undefined || idempotencyKey.length > 0, 'an empty idempotency key');
    }
    return sent === undefined || sent.status < 400 ? 'accepted' : 'refused';
  };
  return { seeds: httpRequests('ingress/vectors/ingress.json'), mutate: mutateHttp, pass };
}

function checkAnswer({ status, headers, body }: NonNullable<Exchange['sent']>): void {
  demand(status >= 200 && status < 600, `status ${status}`);
  demand(status < 500, `status ${status} for a request that is wrong at worst`);
  demand(
    Object.values(headers).every(value => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)),
    'a header that splits',
  );
  if (status >= 400 && body !== '')
    demand(typeof JSON.parse(body).message === 'string', 'an error without words');
}
