/** The people of the demo: who books, and who approves. Both ask again when a connection breaks. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Stack } from '../../../test/e2e/harness/index.ts';
import type { Booking, Trip } from '../handler.ts';
import type { Providers } from './providers.ts';

/** Long enough for any machine to restart the orchestrator in; nobody waits for it. */
const PATIENT_MS = 60_000;
const RETRY_PAUSE_MS = 100;
const THINKING_MS = 100;

/** The people who book: each is one HTTP request that waits for the result, and is repeated when it breaks. */
export class Callers {
  readonly #stack: Stack;
  readonly #bookings = new Map<string, Promise<{ readonly id: string; readonly outcome: Booking }>>();
  waiting = 0;
  broken = 0;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  book(traveller: string, approvalMs = PATIENT_MS): void {
    this.#bookings.set(traveller, this.#call({ traveller, approvalMs }));
  }

  async result(traveller: string): Promise<{ readonly id: string; readonly outcome: Booking }> {
    const booking = this.#bookings.get(traveller);
    if (booking === undefined) throw new Error(`${traveller} has not booked`);
    return await booking;
  }

  async #call(trip: Trip): Promise<{ readonly id: string; readonly outcome: Booking }> {
    this.waiting++;
    for (;;) {
      try {
        const { status, id, body } = await this.#stack.ingress.call<Booking>('trips/book', trip, {
          idempotencyKey: `trip-of-${trip.traveller}`,
        });
        if (status !== 200 || id === undefined) throw new Error(`${trip.traveller}: ${JSON.stringify(body)}`);
        this.waiting--;
        return { id, outcome: body };
      } catch (error) {
        // What `fetch` throws when the connection breaks: the caller cannot know, so it asks again.
        if (!(error instanceof TypeError)) throw error;
        this.broken++;
        await pause(RETRY_PAUSE_MS);
      }
    }
  }
}

/** Awakeables of the approvals asked for; a person who is quick, unless told to wait. */
export class Approver {
  readonly #stack: Stack;
  readonly #asked = new Map<string, string>();
  readonly #patient = new Set<string>();

  constructor(stack: Stack, providers: Providers) {
    this.#stack = stack;
    providers.onApprovalAsked = (traveller, awakeable) => {
      this.#asked.set(traveller, awakeable);
      if (!this.#patient.has(traveller)) void this.#approveLater(awakeable);
    };
  }

  /** Does not approve by itself. */
  keepWaiting(traveller: string): void {
    this.#patient.add(traveller);
  }

  hasBeenAsked(traveller: string): boolean {
    return this.#asked.has(traveller);
  }

  async #approveLater(awakeable: string): Promise<void> {
    await pause(THINKING_MS);
    await this.#approve(awakeable);
  }

  async approve(traveller: string): Promise<void> {
    await this.#approve(this.#asked.get(traveller) ?? '');
  }

  async #approve(awakeable: string): Promise<void> {
    for (;;) {
      try {
        await this.#stack.ingress.resolveAwakeable(awakeable, true);
        return;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        await pause(RETRY_PAUSE_MS);
      }
    }
  }
}
