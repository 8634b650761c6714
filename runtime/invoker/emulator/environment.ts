/**
 * One execution environment: a child process that has loaded one revision of a function and serves one request
 * at a time.
 *
 * Invariants:
 * - `starting -> idle <-> busy -> gone`; `gone` is final, and each request given to it is answered exactly once.
 * - After a timeout, a crash or an uncaught exception it serves nothing more.
 * - It sees none of the server's environment variables but PATH.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type ExitCause, exitFault, timeoutFault } from './faults.ts';
import {
  BAD_EVENT,
  encodeInvokeHead,
  FAILED,
  FATAL,
  type Fault,
  FrameReader,
  INIT_FAILED,
  LOG,
  READY,
  RESULT,
} from './frames.ts';
import { type LogSink, LogTail } from './logs.ts';

export type Outcome =
  | { readonly kind: 'result' | 'functionError'; readonly body: Uint8Array; readonly tail?: string }
  | { readonly kind: 'badEvent'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };

export interface Invocation {
  readonly requestId: string;
  readonly traceId: string;
  readonly arn: string;
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly tail: boolean;
  readonly clientContext?: string;
  readonly done: (outcome: Outcome) => void;
}

/** What an environment is started from. */
export interface EnvironmentPlan {
  readonly functionName: string;
  readonly version: string;
  readonly modulePath: string;
  readonly exportName: string;
  readonly bootstrapPath: string;
  /** The Node binary. */
  readonly nodePath: string;
  readonly timeoutMs: number;
  readonly initTimeoutMs: number;
  readonly memoryMb: number;
  readonly freeze: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly log: LogSink | undefined;
}

export interface EnvironmentOwner {
  /** Loaded, or done with a request: it can take the next. */
  freed(environment: Environment): void;
  /** The module did not load: the fault belongs to the request that waits for it, if one does. */
  initFailed(environment: Environment, fault: (requestId: string) => Fault): void;
  /** The process has ended. */
  gone(environment: Environment): void;
}

interface Running {
  readonly invocation: Invocation;
  readonly startedAtMs: number;
  readonly timeout: NodeJS.Timeout;
  readonly tail: LogTail | undefined;
}

/** Ends of the pipes in `stdio`; the numbers are the child's file descriptors. A fifth only ends with the server. */
const REQUESTS_FD = 3;
const ANSWERS_FD = 4;
/** Below this a copy into one buffer is cheaper than a second entry in a vectored write. */
const COPY_BYTES_MAX = 8 * 1024;

export class Environment {
  readonly plan: EnvironmentPlan;
  state: 'starting' | 'idle' | 'busy' | 'gone' = 'starting';
  /** Monotonic milliseconds since which it is idle. */
  idleSinceMs = 0;
  readonly #owner: EnvironmentOwner;
  readonly #child: ChildProcess;
  /** Absent if the process could not be started for want of file descriptors. */
  readonly #requests: Socket | undefined;
  readonly #startedAtMs = performance.now();
  readonly #initTimer: NodeJS.Timeout;
  #initMs: number | undefined;
  #running: Running | undefined;
  #cause: ExitCause = 'exited';
  #exit: { readonly code: number | null; readonly signal: string | null } | undefined;
  #answersEnded = false;

  constructor(plan: EnvironmentPlan, owner: EnvironmentOwner) {
    this.plan = plan;
    this.#owner = owner;
    this.#child = spawn(
      plan.nodePath,
      [
        ...heapLimit(plan),
        plan.bootstrapPath,
        plan.modulePath,
        plan.exportName,
        plan.freeze ? 'frozen' : 'live',
      ],
      { env: plan.env, stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'], windowsHide: true },
    );
    this.#requests = this.#pipe(REQUESTS_FD);
    this.#initTimer = setTimeout(() => this.#initTimedOut(), plan.initTimeoutMs);
    this.#listen(this.#pipe(ANSWERS_FD));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get requestId(): string | undefined {
    return this.#running?.invocation.requestId;
  }

  start(invocation: Invocation): void {
    if (this.state !== 'idle') throw new Error(`a request was given to an environment that is ${this.state}`);
    const { plan } = this;
    const requests = this.#requests;
    if (requests === undefined) throw new Error('an environment without pipes became idle');
    this.state = 'busy';
    this.#running = {
      invocation,
      startedAtMs: performance.now(),
      timeout: setTimeout(() => this.#timedOut(), plan.timeoutMs),
      tail: invocation.tail ? new LogTail() : undefined,
    };
    this.#print(() => `START RequestId: ${invocation.requestId} Version: ${plan.version}\n`);
    const { requestId, traceId, arn, clientContext, chunks, bytes } = invocation;
    const deadlineMs = Date.now() + plan.timeoutMs;
    const head = encodeInvokeHead(
      { requestId, deadlineMs, arn, traceId, ...(clientContext === undefined ? {} : { clientContext }) },
      bytes,
    );
    if (bytes <= COPY_BYTES_MAX) {
      requests.write(bytes === 0 ? head : Buffer.concat([head, ...chunks]));
      return;
    }
    requests.cork();
    requests.write(head);
    for (const chunk of chunks) requests.write(chunk);
    requests.uncork();
  }

  kill(): void {
    // Not to be handed a request while its end is on the way.
    if (this.state === 'idle') this.state = 'gone';
    this.#child.kill('SIGKILL');
  }

  /** Ends it if it holds more memory than its function has; a request it serves fails as out of memory. */
  enforceMemory(): void {
    if (this.state !== 'busy' || this.#child.pid === undefined) return;
    if (residentMb(this.#child.pid) <= this.plan.memoryMb) return;
    this.#cause = 'outOfMemory';
    this.kill();
  }

  #pipe(fd: number): Socket | undefined {
    return (this.#child.stdio as readonly unknown[] | undefined)?.[fd] as Socket | undefined;
  }

  #listen(answers: Socket | undefined): void {
    const reader = new FrameReader((kind, body) => this.#onFrame(kind, body));
    this.#answersEnded = answers === undefined;
    answers?.on('data', chunk => reader.push(chunk));
    answers?.on('close', () => {
      this.#answersEnded = true;
      this.#maybeGone();
    });
    this.#child.on('exit', (code, signal) => {
      this.#exit = { code, signal };
      this.#maybeGone();
    });
    this.#child.on('error', error => {
      // The process could not be started (or signalled, when it is already over, which 'exit' reports).
      if (this.#child.pid !== undefined) return;
      const errorMessage = `the environment's process could not be started: ${error.message}`;
      this.#initFailed(() => ({ errorType: 'Runtime.ExitError', errorMessage }));
      this.#exit = { code: null, signal: null };
      this.#maybeGone();
    });
    // What reaches the raw descriptors comes from V8 or native code: the bootstrap frames everything else.
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => this.#print(() => chunk.toString()));
    }
    // Writing to a process that has just died: its exit is what gets reported.
    for (const stream of this.#child.stdio ?? []) stream?.on('error', () => this.kill());
  }

  #onFrame(kind: number, body: Buffer): void {
    switch (kind) {
      case READY:
        if (this.state !== 'starting') return;
        clearTimeout(this.#initTimer);
        this.#initMs = performance.now() - this.#startedAtMs;
        this.#free();
        return;
      case LOG:
        this.#print(() => body.toString());
        return;
      case RESULT:
      case FAILED:
        this.#answer(kind === RESULT ? 'result' : 'functionError', body.subarray(4), body.readUInt32LE(0));
        this.#free();
        return;
      case FATAL:
        this.#answer('functionError', body, undefined);
        this.state = 'gone';
        return;
      case INIT_FAILED: {
        const fault = JSON.parse(body.toString()) as Fault;
        this.#initFailed(() => fault);
        return;
      }
      case BAD_EVENT:
        this.#settle()?.invocation.done({ kind: 'badEvent', message: body.toString() });
        this.#free();
        return;
      default:
        throw new Error(`unknown frame kind ${kind} from an environment`);
    }
  }

  #free(): void {
    if (this.state === 'gone') return;
    this.state = 'idle';
    this.idleSinceMs = performance.now();
    this.#owner.freed(this);
  }

  #settle(): Running | undefined {
    const running = this.#running;
    this.#running = undefined;
    if (running !== undefined) clearTimeout(running.timeout);
    return running;
  }

  #answer(kind: 'result' | 'functionError', body: Uint8Array, rssKib: number | undefined): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#print(() => this.#report(running, rssKib));
    this.#settle();
    const tail = running.tail?.base64();
    running.invocation.done(tail === undefined ? { kind, body } : { kind, body, tail });
  }

  #fail(fault: Fault): void {
    this.#print(() => `${fault.errorMessage}\n`);
    this.#answer('functionError', Buffer.from(JSON.stringify(fault)), undefined);
  }

  #report(running: Running, rssKib: number | undefined): string {
    const { requestId } = running.invocation;
    const durationMs = performance.now() - running.startedAtMs;
    const memory = rssKib === undefined ? '' : `\tMax Memory Used: ${Math.ceil(rssKib / 1024)} MB`;
    const init = this.#initMs === undefined ? '' : `\tInit Duration: ${this.#initMs.toFixed(2)} ms`;
    // Only the first request of an environment reports the cold start.
    this.#initMs = undefined;
    return (
      `END RequestId: ${requestId}\n` +
      `REPORT RequestId: ${requestId}\tDuration: ${durationMs.toFixed(2)} ms\t` +
      `Billed Duration: ${Math.ceil(durationMs)} ms\tMemory Size: ${this.plan.memoryMb} MB${memory}${init}\n`
    );
  }

  /** The text is built only if somebody reads it. */
  #print(text: () => string): void {
    const { log, functionName, version } = this.plan;
    const tail = this.#running?.tail;
    if (log === undefined && tail === undefined) return;
    const written = text();
    tail?.append(written);
    const { requestId } = this;
    log?.({ functionName, version, text: written, ...(requestId === undefined ? {} : { requestId }) });
  }

  #timedOut(): void {
    const { requestId } = this;
    if (requestId === undefined) return;
    this.kill();
    this.#fail(timeoutFault(requestId, this.plan.timeoutMs));
    this.state = 'gone';
  }

  #initTimedOut(): void {
    this.#initFailed(requestId => timeoutFault(requestId, this.plan.initTimeoutMs));
    this.kill();
  }

  #initFailed(fault: (requestId: string) => Fault): void {
    if (this.state !== 'starting') return;
    clearTimeout(this.#initTimer);
    this.state = 'gone';
    this.#print(() => `INIT_REPORT Status: error\t${JSON.stringify(fault('none'))}\n`);
    this.#owner.initFailed(this, fault);
  }

  /** The answer pipe is drained first: a process may answer and end in the same breath. */
  #maybeGone(): void {
    const exit = this.#exit;
    if (exit === undefined || !this.#answersEnded) return;
    const fault = (requestId: string) => exitFault(requestId, exit.code, exit.signal, this.#cause);
    this.#initFailed(fault);
    const { requestId } = this;
    if (requestId !== undefined) this.#fail(fault(requestId));
    this.state = 'gone';
    for (const stream of this.#child.stdio ?? []) stream?.destroy();
    this.#owner.gone(this);
  }
}

/** A function that sets its own heap limit, as it may on AWS, has it. */
function heapLimit({ env, memoryMb }: EnvironmentPlan): string[] {
  if (env['NODE_OPTIONS']?.includes('max-old-space-size')) return [];
  return [`--max-old-space-size=${Math.max(16, Math.floor(memoryMb * 0.9))}`];
}

/** Resident megabytes of a process; 0 where the system has no /proc, where only the heap limit protects. */
function residentMb(pid: number): number {
  if (process.platform !== 'linux') return 0;
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
    return (pages * 4096) / 1_048_576;
  } catch (error) {
    // It ended between two looks; its exit is reported by the process itself.
    if (
      (error as NodeJS.ErrnoException).code === 'ENOENT' ||
      (error as NodeJS.ErrnoException).code === 'ESRCH'
    )
      return 0;
    throw error;
  }
}
