/** Where `ctx.console` writes to when the endpoint has a logger of its own. */
import type { Request } from './context/context.ts';

/** `ctx.console.log` is `info`. */
export type RestateLogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Where a line comes from. */
export interface LoggerContext {
  /** `service/handler` or `service/key/handler`. */
  readonly invocationTarget: string;
  /** `inv_...` */
  readonly invocationId: string;
  /** Of the service, object or workflow. */
  readonly serviceName: string;
  /** Of the handler. */
  readonly handlerName: string;
  /** Of an object or workflow. */
  readonly key?: string;
  /** As `ctx.request()`. */
  readonly request: Request;
}

/** What is known of a line. */
export interface LogMetadata {
  /** A handler has written it; the SDK writes none. */
  readonly source: 'USER';
  /** The method of the console. */
  readonly level: RestateLogLevel;
  /** The line was written at an earlier attempt too; most loggers leave it out. */
  readonly replaying: boolean;
  /** Of the attempt. */
  readonly context?: LoggerContext;
}

/** Gets the lines that handlers write to `ctx.console`, with what was given to the method. */
// biome-ignore lint/suspicious/noExplicitAny: what may be given to console.log
export type LoggerTransport = (metadata: LogMetadata, message?: any, ...rest: any[]) => void;
