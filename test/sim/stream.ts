/**
 * A request and an answer that flow at the same time, between a node and a handler: the SDK's attempt over a stream,
 * as sdk-lambda/node.ts drives it, or a handler that speaks the protocol by itself.
 *
 * Invariants: those of the port. What the handler does it does on its side, whatever has become of the node.
 */

import { contentTypeOf, encodeFrame } from '@holdfast/protocol';
import type { HandlerRequest, Stream, StreamEvents } from '../../runtime/invoker/transport.ts';
import { type AttemptSink, StreamedAttempt } from '../../sdk-lambda/streamed-attempt.ts';
import { senselessSuspension } from './call.ts';
import type { LiveStream } from './checkers/live-checker.ts';
import type { StreamFault } from './faults.ts';
import { type Caller, type FunctionHost, isRaw, type Sent } from './function-host.ts';
import { Pipe, type PipeParts } from './pipe.ts';
import { RawPeer } from './raw.ts';
import type { Site } from './sites.ts';

export interface StreamParts {
  readonly host: FunctionHost;
  readonly site: Site;
  readonly caller: Caller;
  readonly request: HandlerRequest;
  readonly events: StreamEvents;
}

/** The handler's side. */
export interface Peer {
  push(chunk: Uint8Array): void;
  inputClosed(): void;
  /** The sink has room again. */
  drained(): void;
  /** The node is gone. */
  abort(): void;
}

const LATENCY_MS_MAX = 4;
const LATENCIES_MS: { readonly [fault: string]: number } = { slowStream: 900, streamCut: 1 };
/** So much later a handler learns that nobody listens any more. */
const LATE_MS_MAX = 5000;

export class SimStream implements Stream {
  readonly #parts: StreamParts;
  readonly #sent: Sent | undefined;
  readonly #checked: LiveStream | undefined;
  readonly #fault: StreamFault | undefined;
  readonly #toHandler: Pipe;
  readonly #toNode: Pipe;
  readonly #hangUp: () => void;
  #peer: Peer | undefined;
  #isStuck = false;
  /** The node hears no more. */
  #isOver = false;
  #isPeerGone = false;
  readonly #written: Uint8Array[] = [];

  constructor(parts: StreamParts) {
    this.#parts = parts;
    const { host, site, caller, request } = parts;
    const { faults, scheduler, random, trace, live } = host.options;
    this.#sent = host.sent(request, site, caller);
    this.#checked = this.#sent && live.opened(this.#sent, caller.isLeading());
    this.#fault = faults.drawForStream();
    if (this.#fault !== undefined) faults.count(this.#fault);
    const about = `${this.#sent?.life.id} attempt ${this.#sent?.attempt}`;
    trace.add(scheduler.nowMs, `stream ${about} ${this.#fault ?? ''}`);
    const latencyMs = LATENCIES_MS[this.#fault ?? ''] ?? LATENCY_MS_MAX;
    this.#toHandler = this.#pipe('to handler', LATENCY_MS_MAX, {
      onData: chunk => this.#peer?.push(chunk),
      onEnd: () => this.#peer?.inputClosed(),
      onDrain: () => this.#tell(() => parts.events.onDrain()),
    });
    this.#toNode = this.#pipe('to node', latencyMs, {
      onData: chunk =>
        this.#tell(() => {
          this.#checked?.received(chunk);
          parts.events.onData(chunk);
        }),
      onEnd: () => this.#ends({ kind: 'ended' }),
      onDrain: () => {
        this.#peer?.drained();
        if (!this.#isStuck) this.#toHandler.resume();
      },
    });
    this.#toHandler.write(request.body);
    this.#hangUp = caller.onDown(() => this.#nodeIsDown());
    // What it awaits is there within the event.
    scheduler.after(random.int(1, 10), 'stream opens', () => void this.#open());
  }

  // ---- what the node does

  write(bytes: Uint8Array): boolean {
    const { faults } = this.#parts.host.options;
    this.#checked?.pushed(bytes);
    const hasRoom = this.#toHandler.write(bytes);
    if (!hasRoom) faults.count('streamBlocked');
    return hasRoom;
  }

  end(): void {
    this.#checked?.inputClosed();
    const { queued, faults } = this.#parts.host.options;
    if (queued(this.#parts.site.name) > 0) faults.count('lanesFull');
    this.#toHandler.end();
  }

  pause(): void {
    this.#toNode.pause();
  }

  resume(): void {
    this.#toNode.resume();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#setOver();
    this.#hangUp();
    this.#cut();
  }

  // ---- what befalls it

  async #open(): Promise<void> {
    if (this.#isPeerGone) return;
    const { host, request } = this.#parts;
    const { random } = host.options;
    if (this.#fault === 'openReset') {
      this.#breaks('simulated: the stream was reset');
      return;
    }
    this.#toNode.resume();
    if (this.#fault === 'streamRefused') {
      const status = random.pick([413, 415, 429, 500, 503, 504]);
      this.#refuses(status, { 'retry-after': '1' }, Buffer.from('{"message":"simulated"}'));
      return;
    }
    await this.#begin(request);
    this.#toHandler.resume();
    this.#strike(this.#fault);
  }

  #strike(fault: StreamFault | undefined): void {
    const { random, scheduler } = this.#parts.host.options;
    const bytes = random.pick([random.int(1, 30), random.int(1, 300), random.int(1, 2000)]);
    switch (fault) {
      case 'streamCut':
        this.#toNode.cutAfter(bytes, () => this.#breaks('simulated: the connection was lost'));
        scheduler.after(random.int(0, 4000), 'connection is lost', () =>
          this.#breaks('simulated: the connection was lost'),
        );
        return;
      case 'breaksOff':
        this.#toNode.cutAfter(bytes, () => {
          this.#ends({ kind: 'ended' });
          this.#cut();
        });
        return;
      case 'halfFrame':
        this.#toNode.cutAfter(bytes, () => undefined);
        return;
      case 'neverReads':
        scheduler.after(random.pick([0, random.int(0, 500)]), 'handler stops reading', () => {
          this.#isStuck = true;
          this.#toHandler.pause();
        });
        return;
      default:
        return;
    }
  }

  #garbage(): Uint8Array {
    const { random } = this.#parts.host.options;
    const shapes = [
      random.bytes(random.int(1, 60)),
      senselessSuspension(random.int(0, 40)),
      encodeFrame('Suspension', {
        waitingCompletions: [],
        waitingSignals: [],
        waitingNamedSignals: [],
        awaitingOn: {
          combinatorType: random.int(0, 9),
          waitingCompletions: [],
          waitingSignals: [],
          waitingNamedSignals: [],
          nestedFutures: [],
        },
      }),
      Buffer.from([0x7f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff]),
    ];
    return random.pick(shapes);
  }

  /** Between two frames: nobody could tell what is wrong within one. */
  #garble(): void {
    if (this.#checked !== undefined) this.#checked.isGarbled = true;
    this.#toNode.write(this.#garbage());
    this.#toNode.end();
  }

  /** For good: the handler may go on for a while before it notices. */
  #cut(): void {
    const { random, scheduler } = this.#parts.host.options;
    this.#toHandler.destroy();
    this.#toNode.destroy();
    const delayMs = this.#fault === 'lateData' ? random.int(0, LATE_MS_MAX) : random.int(0, 20);
    scheduler.after(delayMs, 'stream is closed', () => this.#peerGone());
  }

  #peerGone(): void {
    if (this.#isPeerGone) return;
    this.#isPeerGone = true;
    this.#peer?.abort();
    this.#leave();
  }

  #nodeIsDown(): void {
    if (this.#isOver) return;
    this.#setOver();
    this.#parts.host.options.faults.count('crashWhileLive');
    this.#cut();
  }

  #setOver(): void {
    this.#isOver = true;
    if (this.#checked !== undefined) this.#checked.isOver = true;
  }

  /** Where the handler is told as well. */
  #breaks(message: string): void {
    if (this.#isOver) return;
    if (this.#checked !== undefined) {
      const isRecorded = this.#checked.isAllRecorded;
      this.#parts.host.options.faults.count(isRecorded ? 'cutAfterDurable' : 'cutBeforeDurable');
    }
    this.#ends({ kind: 'failed', code: 'RT0010', message });
    this.#cut();
  }

  #ends(end: Parameters<StreamEvents['onEnd']>[0]): void {
    this.#tell(() => {
      this.#setOver();
      this.#hangUp();
      this.#parts.events.onEnd(end);
    });
  }

  #tell(callback: () => void): void {
    this.#parts.caller.deliver(() => {
      if (!this.#isOver) callback();
    });
  }

  // ---- the handler's side

  async #begin(request: HandlerRequest): Promise<void> {
    const { host, site, events } = this.#parts;
    const { scheduler } = host.options;
    const { path, headers } = request;
    const opened = isRaw(path) ? undefined : await host.open(site, request);
    if (opened !== undefined && 'status' in opened) {
      this.#refuses(opened.status, opened.headers, opened.body);
      return;
    }
    const type = { 'content-type': contentTypeOf(opened?.version ?? this.#sent?.version ?? 0) };
    this.#tell(() => {
      if (this.#checked !== undefined) this.#checked.activeMs = scheduler.nowMs;
      events.onHead(200, type);
    });
    if (this.#sent === undefined) throw new Error('assertion failed: what is opened was sent');
    if (opened === undefined) {
      this.#peer = new RawPeer(host.rawMode(this.#sent), this.#sink());
      return;
    }
    this.#peer = new StreamedAttempt(
      opened,
      {
        now: () => scheduler.wallMs(),
        attemptHeaders: headers,
        extraArgs: [host.execution(this.#sent)],
        atEndOfTurn: callback => void scheduler.after(0, 'handler writes', callback),
      },
      this.#sink(),
    );
  }

  #sink(): AttemptSink {
    let isEnded = false;
    const assertOpen = () => {
      if (isEnded) throw new Error('assertion failed: the handler writes after its end');
    };
    return {
      write: frames => {
        assertOpen();
        if (this.#fault === 'garbageFrame' && this.#parts.host.options.random.chance(0.5)) this.#garble();
        this.#wrote(frames);
        const hasRoom = this.#toNode.write(frames);
        if (!hasRoom) {
          this.#parts.host.options.faults.count('handlerBlocked');
          this.#toHandler.pause();
        }
        return hasRoom;
      },
      end: frames => {
        assertOpen();
        isEnded = true;
        this.#wrote(frames);
        this.#toNode.write(frames);
        if (this.#fault !== 'lingers') this.#toNode.end();
        // Its rest is read and thrown away.
        this.#toHandler.resume();
        this.#leave();
      },
    };
  }

  #wrote(frames: Uint8Array): void {
    if (frames.length === 0) return;
    const { trace, scheduler } = this.#parts.host.options;
    trace.add(scheduler.nowMs, `handler of ${this.#sent?.life.id} writes ${frames.length} bytes`);
    this.#checked?.wrote(frames);
    this.#written.push(frames);
  }

  #refuses(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array): void {
    // Nobody reads frames in it.
    if (this.#checked !== undefined) this.#checked.isGarbled = true;
    this.#tell(() => this.#parts.events.onHead(status, headers));
    this.#toNode.write(body);
    this.#toNode.end();
  }

  /** All that it wrote, for a zombie to bring again. */
  #leave(): void {
    const body = Buffer.concat(this.#written.splice(0));
    if (this.#sent === undefined || body.length === 0) return;
    const response = { status: 200, headers: { 'content-type': contentTypeOf(this.#sent.version) }, body };
    this.#parts.caller.onOrphan({ ...this.#sent, response, isLive: true });
  }

  #pipe(name: string, latencyMsMax: number, events: Pick<PipeParts, 'onData' | 'onEnd' | 'onDrain'>): Pipe {
    const { scheduler, random } = this.#parts.host.options;
    const capacity = random.pick([60, 400, 100_000]);
    // What is lost has often come in pieces just before.
    const splits = this.#fault === 'streamCut' ? 0.7 : 0.15;
    return new Pipe({ name: `stream ${name}`, scheduler, random, latencyMsMax, splits, capacity, ...events });
  }
}
