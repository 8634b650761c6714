/** Test support: one live attempt, with a stream and a host that a test plays. */
import type { Answer } from '../../format/answer.ts';
import { LiveAttempt } from '../live-attempt.ts';
import type { HandlerRequest, StreamEvents } from '../transport.ts';
import { framesText, ids, joined, opsText, outcomeText } from './frames.ts';
import { ManualTime } from './manual-time.ts';

const REQUEST: HandlerRequest = {
  method: 'POST',
  path: '/invoke/Svc/a',
  headers: {},
  body: new Uint8Array(),
};
export const INACTIVITY_MS = 1000;
export const ABORT_MS = 5000;

/** A stream that a test plays the handler of, and a host that records when the test says so. */
export class Live {
  readonly time = new ManualTime();
  readonly version: number;
  readonly attempt: LiveAttempt;
  /** Is the peer reading? */
  takes = true;
  #events: StreamEvents | undefined;
  #recorded: ((goesOn: boolean) => void) | undefined;
  #lines: string[] = [];

  constructor({ version = 7, seenEntries = 1 }: { version?: number; seenEntries?: number } = {}) {
    this.version = version;
    const say = (line: string): void => void this.#lines.push(line);
    this.attempt = new LiveAttempt({
      open: (_request, events) => {
        this.#events = events;
        return {
          write: bytes => {
            say(`> ${framesText(bytes)}`);
            return this.takes;
          },
          end: () => say('> end of input'),
          abort: () => say('> reset'),
          pause: () => say('> reads no more'),
          resume: () => say('> reads again'),
        };
      },
      request: { request: REQUEST, seenEntries },
      protocolVersion: version,
      ids,
      clock: this.time,
      timers: this.time,
      inactivityTimeoutMs: INACTIVITY_MS,
      abortTimeoutMs: ABORT_MS,
      host: {
        part: (answer: Answer, done) => {
          if (this.#recorded !== undefined)
            throw new Error('a part is proposed before the one before is recorded');
          say(`part: ${opsText(answer)}`);
          this.#recorded = done;
        },
        ended: (outcome, seen) => say(`${outcomeText(outcome)}; seen ${seen}`),
      },
    });
  }

  get events(): StreamEvents {
    if (this.#events === undefined) throw new Error('no stream was opened');
    return this.#events;
  }
  head(status = 200, headers: Readonly<Record<string, string>> = {}): void {
    this.events.onHead(status, {
      'content-type': `application/vnd.restate.invocation.v${this.version}`,
      ...headers,
    });
  }
  data(...frames: readonly Uint8Array[]): void {
    this.events.onData(joined(...frames));
  }
  recorded(goesOn = true): void {
    const done = this.#recorded;
    if (done === undefined) throw new Error('nothing is being recorded');
    this.#recorded = undefined;
    done(goesOn);
  }
  /** What happened since it was asked last. */
  get lines(): string[] {
    return this.#lines.splice(0);
  }
}
