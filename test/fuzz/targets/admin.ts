/** What may be sent to the port for operators. */
import { readFileSync } from 'node:fs';
import { deploymentOf, serviceOf } from '../../../runtime/admin/testing/captured.ts';
import { HOST, setUp } from '../../../runtime/admin/testing/setup.ts';
import { Exchange } from '../../../runtime/ingress/testing/scripted-engine.ts';
import { httpRequests } from '../seeds.ts';
import { demand, type Target, type Verdict } from '../target.ts';
import { mutateHttp, requestParts } from './http-text.ts';

const VECTORS = new URL('../../../runtime/admin/vectors/admin.json', import.meta.url);
const rows = JSON.parse(readFileSync(VECTORS, 'utf8')) as readonly {
  readonly label: string;
  readonly response: { readonly body: string };
}[];
const service = serviceOf(JSON.parse(rows.find(({ label }) => label === 'services')?.response.body ?? ''));
const DEPLOYMENT = 'dp_14EXOUgE2OQl8ItVToQQOCB';

export function createTarget(): Target {
  const { admin, engine } = setUp();
  engine.found = [service];
  engine.all = [{ ...deploymentOf({ id: DEPLOYMENT, services: [] }), services: [service] }];
  const pass = async (input: Uint8Array): Promise<Verdict> => {
    const parts = requestParts(input);
    if (parts === undefined) return 'refused';
    const { method, url, body } = parts;
    const headers = parts.headers.map(header => (header[0] === 'host' ? HOST : header));
    engine.asked.length = 0;
    engine.requests.length = 0;
    const { status, body: answer } = await new Exchange(admin, method, url, headers, body).answered;
    demand(status >= 200 && status < 600, `status ${status}`);
    demand(status !== 500, `status 500: ${answer}`);
    return status < 400 ? 'accepted' : 'refused';
  };
  return { seeds: httpRequests('admin/vectors/admin.json'), mutate: mutateHttp, pass };
}
