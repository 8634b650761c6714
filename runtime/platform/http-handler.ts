/**
 * The narrow HTTP seam: what a listener hands to an API and what it takes back. One request is one object and
 * one answer; there are no streams, promises or prototypes of a web framework, because both cost more than the
 * routes behind them. The same handler serves HTTP/1.1 and HTTP/2.
 */

export interface HttpRequest {
  /** Upper-case, as sent. */
  readonly method: string;
  /** As sent, still percent-encoded, without the query; starts with `/`, except `*`. */
  readonly path: string;
  /** As sent, without the `?`; empty if there is none. */
  readonly query: string;
  /** In order, duplicates kept, names in lower case. HTTP/2 `:authority` appears as `host`. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /**
   * The whole body, no larger than the handler's `bodyBytesMax`, once: the request forgets it, because a caller
   * may wait for an answer far longer than its body is of use.
   */
  takeBody(): Uint8Array;
  /** Calls back once if the client goes away before the answer; at most one listener. Not called after `send`. */
  onClose(listener: () => void): void;
}

/** `name, value, name, value`: the form that `node:http` writes fastest. Values are visible Latin-1. */
export type HeaderList = readonly string[];

export interface HttpReply {
  /** Answers, once. Sets `content-length`. After the client has gone it does nothing. */
  send(status: number, headers: HeaderList, body?: Uint8Array | string): void;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
}

export interface HttpHandler {
  /** Bodies beyond it are answered with `refuse(413, …)` and never buffered whole. */
  readonly bodyBytesMax: number;
  handle(request: HttpRequest, reply: HttpReply): void;
  /** The answer, in this API's error format, to a request that the listener refuses before it is whole. */
  refuse(status: number, message: string): HttpAnswer;
}

/** The first value of a header, `name` in lower case. */
export function headerOf(request: HttpRequest, name: string): string | undefined {
  for (const header of request.headers) {
    if (header[0] === name) return header[1];
  }
  return undefined;
}
