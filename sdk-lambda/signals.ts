/** Signals that may come many times: those with a name, and cancellations where user code watches for them itself. */
import { CANCEL_SIGNAL } from '@holdfast/protocol';
import type { NotificationId } from './machine/machine.ts';

export const CANCEL: NotificationId = -CANCEL_SIGNAL;

export const isRepeatable = (id: NotificationId): boolean => typeof id === 'string' || id === CANCEL;
