/**
 * The outside world of the demo: flights, hotels, cars, payments, reminders and the inbox of whoever approves,
 * as one HTTP server. It writes down every request it gets, acts once per idempotency key, and can be told to
 * hold an answer back or to refuse.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface LedgerRequest {
  /** Milliseconds since the demo began. */
  readonly atMs: number;
  /** Like `hotels/reserve` or `payments`. */
  readonly path: string;
  readonly traveller: string;
  /** Invocation and step. */
  readonly key: string;
  /** Process id of the Lambda environment it came from. */
  readonly servedBy: number;
}

export interface Hold {
  /** Resolves when the request has arrived; its answer waits. */
  readonly arrived: Promise<LedgerRequest>;
  release(): void;
}

interface Body {
  readonly traveller: string;
  readonly number?: string;
  readonly awakeable?: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface HeldPath {
  readonly traveller: string;
  readonly path: string;
  readonly arrive: (request: LedgerRequest) => void;
  readonly released: Promise<void>;
}

export class Providers {
  readonly ledger: LedgerRequest[] = [];
  /** What is reserved at this moment: `hotels` of a traveller, by number. */
  readonly reserved = new Map<string, string>();
  readonly charged: string[] = [];
  readonly reminded: string[] = [];
  /** Called for every approval that is asked for. */
  onApprovalAsked: (traveller: string, awakeable: string) => void = () => undefined;
  readonly #now: () => number;
  readonly #refused = new Set<string>();
  readonly #answers = new Map<string, Answer>();
  readonly #server: Server;
  #hold: HeldPath | undefined;
  #numbers = 100;

  constructor(now: () => number) {
    this.#now = now;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** URL. */
  async open(): Promise<string> {
    await new Promise<void>(done => this.#server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** From now on a request of this kind is refused for good. */
  refuse(traveller: string, path: string): void {
    this.#refused.add(`${traveller} ${path}`);
  }

  /** Holds the answer to the next such request back, one at a time. */
  hold(traveller: string, path: string): Hold {
    if (this.#hold !== undefined) throw new Error('an answer is held back already');
    let arrive: (request: LedgerRequest) => void = () => undefined;
    let release: () => void = () => undefined;
    const arrived = new Promise<LedgerRequest>(resolve => {
      arrive = resolve;
    });
    const released = new Promise<void>(resolve => {
      release = resolve;
    });
    this.#hold = { traveller, path, arrive, released };
    return { arrived, release };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await json(request)) as Body;
    const path = (request.url ?? '').slice(1);
    const line: LedgerRequest = {
      atMs: this.#now(),
      path,
      traveller: body.traveller,
      key: String(request.headers['idempotency-key']),
      servedBy: Number(request.headers['x-served-by']),
    };
    this.ledger.push(line);
    let answer = this.#answers.get(line.key);
    if (answer === undefined) {
      answer = this.#act(path, body);
      this.#answers.set(line.key, answer);
    }
    const hold = this.#hold;
    if (hold?.traveller === line.traveller && hold.path === path) {
      this.#hold = undefined;
      hold.arrive(line);
      await hold.released;
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  }

  #act(path: string, { traveller, number = '', awakeable = '' }: Body): Answer {
    if (this.#refused.has(`${traveller} ${path}`))
      return { status: 409, body: `no ${path.split('/')[0]} left` };
    const [provider = '', action] = path.split('/');
    if (action === 'reserve') {
      const reservation = { traveller, number: `${provider.slice(0, 1).toUpperCase()}${this.#numbers++}` };
      this.reserved.set(`${traveller} ${provider}`, reservation.number);
      return { status: 200, body: JSON.stringify(reservation) };
    }
    if (action === 'cancel') {
      if (this.reserved.get(`${traveller} ${provider}`) !== number)
        return { status: 404, body: 'not reserved' };
      this.reserved.delete(`${traveller} ${provider}`);
    } else if (provider === 'payments') this.charged.push(traveller);
    else if (provider === 'reminders') this.reminded.push(traveller);
    else if (provider === 'approvals') this.onApprovalAsked(traveller, awakeable);
    else return { status: 404, body: `no provider ${path}` };
    return { status: 200, body: '{}' };
  }
}
