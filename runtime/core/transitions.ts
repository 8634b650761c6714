/**
 * The state diagram of an invocation, as data: every change of its status is checked against it. The
 * diagram in `docs/` is drawn from it, and each row occurs in a transcript.
 */
import type { InvocationStatus } from './model.ts';

export type Status = InvocationStatus['status'];

/** `new`: accepted by this very record. `ended`: its row is gone; what is kept of it is a completed invocation. */
export const TRANSITIONS = [
  ['new', 'begin', 'running'],
  ['new', 'delay', 'scheduled'],
  ['new', 'queue', 'queued'],
  ['scheduled', 'begin', 'running'],
  ['scheduled', 'queue', 'queued'],
  ['scheduled', 'cancel', 'ended'],
  ['scheduled', 'kill', 'ended'],
  ['queued', 'begin', 'running'],
  ['queued', 'cancel', 'ended'],
  ['queued', 'kill', 'ended'],
  ['running', 'await', 'suspended'],
  ['running', 'notify', 'running'],
  ['running', 'retry later', 'backingOff'],
  ['running', 'pause', 'running'],
  ['running', 'resume', 'running'],
  ['running', 'cancel', 'running'],
  ['running', 'give up', 'paused'],
  ['running', 'finish', 'ended'],
  ['running', 'kill', 'ended'],
  ['backingOff', 'retry', 'running'],
  ['backingOff', 'resume', 'running'],
  ['backingOff', 'pause', 'paused'],
  ['backingOff', 'cancel', 'running'],
  ['backingOff', 'kill', 'ended'],
  ['suspended', 'notify', 'running'],
  ['suspended', 'resume', 'running'],
  ['suspended', 'kill', 'ended'],
  ['paused', 'resume', 'running'],
  ['paused', 'cancel', 'running'],
  ['paused', 'kill', 'ended'],
] as const satisfies readonly (readonly [Status | 'new', string, Status | 'ended'])[];

export type Transition = (typeof TRANSITIONS)[number];
export type Event = Transition[1];

/** What each event is. */
export const EVENTS: { readonly [E in Event]: string } = {
  begin:
    'It may run: accepted or due, and nobody else holds its key; a queued one when it is handed the key.',
  delay: 'It was accepted with a start time that is still to come.',
  queue: 'Another invocation holds the key of its object.',
  await: 'The attempt ended in a suspension, and nothing that it waits for has come yet.',
  notify:
    'Something that it waits for has come: while it was suspended, or before its attempt could suspend.',
  'retry later': 'The attempt failed, and the retry policy allows another one.',
  retry: 'The delay of the retry is over.',
  pause: 'An operator asked for it; an attempt under way is left to end first.',
  resume:
    'An operator wants it to run: now, on another deployment, or to take back a pause that has not come yet.',
  'give up': 'The attempt ended, and an operator wanted a pause or the retries are used up.',
  cancel:
    'It was cancelled: before its first attempt it ends; one that would not run for now does, in order to unwind.',
  finish: 'The attempt returned its output, or failed for the last time under a policy that kills.',
  kill: 'An operator killed it, or an invocation that had called it.',
};

const known = new Set<string>(TRANSITIONS.map(([from, event, to]) => `${from} ${event} ${to}`));

export function check(from: Status | 'new', event: Event, to: Status | 'ended'): void {
  const transition = `${from} ${event} ${to}`;
  if (!known.has(transition)) throw new Error(`assertion failed: no transition ${transition}`);
}
