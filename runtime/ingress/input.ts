/**
 * Whether a handler accepts a request's body, by what its manifest says. Checked before anything is stored;
 * calls between handlers are not checked.
 */
import type { HandlerInput } from '../core/model.ts';
import { Refusal } from './answers.ts';
import { shown } from './request.ts';

export function checkInput(input: HandlerInput, contentType: string | undefined, body: Uint8Array): void {
  const empty = body.byteLength === 0;
  if (!input.required && empty && contentType === undefined) return;
  if (input.contentType === undefined) {
    if (!input.required && !empty) throw invalid('the handler takes no input, but the request has a body');
    if (input.required && empty) throw invalid('the handler needs a body');
  } else if (input.contentType !== '*/*') {
    if (contentType === undefined) {
      throw invalid(`the request has no content-type, the handler takes '${input.contentType}'`);
    }
    if (!matches(contentType, input.contentType)) {
      const given = `the request has the content-type '${shown(contentType)}'`;
      throw invalid(`${given}, the handler takes '${input.contentType}'`);
    }
  }
  if (input.jsonSchema !== undefined) checkJson(body);
}

function invalid(why: string): Refusal {
  return new Refusal(400, `input validation error: ${why}`);
}

/** `type/subtype`, without parameters and case; the accepted one may be a wildcard or end in one. */
function matches(contentType: string, accepted: string): boolean {
  if (contentType === accepted) return true;
  const given = bare(contentType);
  const taken = bare(accepted);
  if (taken.endsWith('/*')) return taken === '*/*' || given.startsWith(taken.slice(0, -1));
  return given === taken;
}

function bare(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** The schema itself is documentation; that the body is JSON is part of the contract. */
function checkJson(body: Uint8Array): void {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw invalid('the body is not JSON');
  }
}
