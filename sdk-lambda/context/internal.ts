/** What the Restate SDK calls internal: watching for cancellations explicitly, and where an attempt is. */
import type { RestatePromise } from '../promise.ts';
import type { Context, InvocationId } from './context.ts';

export { isSuspendedError } from '../hooks.ts';

/** Every context is one; cast to it. Of use with the option `explicitCancellation`. */
export interface ContextInternal extends Context {
  /** Whether the journal is used up. Changes from attempt to attempt: nothing that the handler does may depend on it. */
  isProcessing(): boolean;
  /**
   * Resolves when this invocation is cancelled. The same promise until then, a new one for the next cancellation
   * afterwards. Without `explicitCancellation` it never resolves.
   */
  cancellation(): RestatePromise<void>;
  /**
   * Cancels the calls made since it was last called, once it is awaited and their ids are known. Resolves to these
   * ids. Without `explicitCancellation` it does nothing.
   */
  cancelPreviousCalls(): RestatePromise<InvocationId[]>;
}
