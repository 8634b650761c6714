/**
 * Where user code stands, for errors of which its author must find the line. Nothing is kept for it while all goes
 * well: V8 is asked once there is such an error, and what belongs to the SDK is left out by the identity of functions,
 * which bundlers and minifiers leave alone.
 */

/** Of nested verbs the outermost is the one that user code called. It has the fewest frames, if all are seen. */
const FRAMES_MAX = 100;

/** The frames of the code that called one of these functions or a method of one of these objects; '' if nobody did. */
export function framesOfCaller(callees: readonly unknown[]): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES_MAX;
  let fewest = '';
  for (let owner of callees) {
    for (; owner; owner = Object.getPrototypeOf(owner)) {
      const members = Object.values(Object.getOwnPropertyDescriptors(owner));
      for (const { value } of [{ value: owner }, ...members]) {
        const frames = typeof value === 'function' ? framesAbove(value) : '';
        if (frames && (!fewest || frames.length < fewest.length)) fewest = frames;
      }
    }
  }
  Error.stackTraceLimit = stackTraceLimit;
  return fewest;
}

/** Of a function that is not on the stack there are none. */
function framesAbove(callee: (...args: never) => unknown): string {
  const here = new Error();
  Error.captureStackTrace(here, callee);
  return framesOf(here);
}

/** Without the message above them, and without what is Node's own. */
export const framesOf = ({ stack = '' }: Error): string =>
  (String(stack).match(/^ +at (?!.*\(node:).*/gm) ?? []).join('\n');

/** Errors that were made where no user code was on the stack. */
const unplaced = new WeakSet<Error>();
const placed = new WeakSet<Error>();
export function unplacedError<E extends Error>(error: E): E {
  unplaced.add(error);
  return error;
}

/** A wait that is cancelled with it never ends; `stack` gets the frames of the user code that waits. */
export class Probe extends Error {}

/**
 * The step before the user's await, where V8 knows who waits. Errors get the frames of the await; what has frames of its
 * own, such as those of a mapper, gets them below. While nothing fails this costs nothing.
 */
export function place(error: unknown): Promise<never> {
  if (error instanceof Error) {
    const isProbe = error instanceof Probe;
    // The stack is made into text once somebody reads it, which for most errors nobody does.
    if (isProbe || unplaced.delete(error)) Error.captureStackTrace(error, place);
    // Unlike an assignment this does not throw where the error is frozen.
    else if (!placed.has(error)) Reflect.set(error, 'stack', `${error.stack}\n${framesAbove(place)}`);
    placed.add(error);
    if (isProbe) return new Promise(() => {});
  }
  throw error;
}
