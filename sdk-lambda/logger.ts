/** Where `ctx.console` writes to when the endpoint has a logger of its own. */
import type { Request } from './context/context.ts';

export type RestateLogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export interface LoggerContext {
  readonly invocationTarget: string;
  readonly invocationId: string;
  readonly serviceName: string;
  readonly handlerName: string;
  readonly key?: string;
  readonly request: Request;
}

export interface LogMetadata {
  readonly source: 'USER';
  readonly level: RestateLogLevel;
  /** The line was written at an earlier attempt too; most loggers leave it out. */
  readonly replaying: boolean;
  readonly context?: LoggerContext;
}

// biome-ignore lint/suspicious/noExplicitAny: what may be given to console.log
export type LoggerTransport = (metadata: LogMetadata, message?: any, ...rest: any[]) => void;
