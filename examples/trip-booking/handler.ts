/**
 * Books a trip: reserves flight, hotel and car, waits for a person to approve, charges, and sends a reminder
 * later. What was reserved is cancelled, in reverse order, when a step fails for good or nobody approves in time.
 *
 * There is no table of states and no queue here. Each awaited call or `run` is a step whose result is recorded
 * once; after a crash the handler runs again from the top and gets the recorded results instead of the effects.
 */
import {
  type Context,
  createEndpointHandler,
  rpc,
  service,
  TerminalError,
  TimeoutError,
} from '@holdfast/sdk-lambda';
import { callProvider } from './call-provider.ts';

export interface Trip {
  readonly traveller: string;
  /** How long the approval may take. */
  readonly approvalMs: number;
}

export interface Reservation {
  readonly traveller: string;
  readonly number: string;
}

export type Booking =
  | { readonly status: 'booked'; readonly reservations: readonly string[] }
  | { readonly status: 'cancelled'; readonly reason: string };

/** A service in front of one provider. */
function providerService<Name extends string>(name: Name) {
  return service({
    name,
    handlers: {
      reserve: async (ctx: Context, { traveller }: Trip): Promise<Reservation> =>
        await ctx.run('reserve', () =>
          callProvider<Reservation>(ctx, 'reserve', `${name}/reserve`, { traveller }),
        ),
      cancel: async (ctx: Context, reservation: Reservation): Promise<void> => {
        await ctx.run('cancel', () => callProvider(ctx, 'cancel', `${name}/cancel`, reservation));
      },
    },
  });
}

const flights = providerService('flights');
const hotels = providerService('hotels');
const cars = providerService('cars');

const reminders = service({
  name: 'reminders',
  handlers: {
    send: async (ctx: Context, traveller: string): Promise<void> => {
      await ctx.run('remind', () => callProvider(ctx, 'remind', 'reminders', { traveller }));
    },
  },
});

const REMINDER_DELAY = { seconds: 2 };

const trips = service({
  name: 'trips',
  handlers: {
    book: async (ctx: Context, trip: Trip): Promise<Booking> => {
      const reservations: string[] = [];
      const undo: (() => Promise<void>)[] = [];
      try {
        for (const provider of [flights, hotels, cars]) {
          // The three have the same handlers; the type of one will do.
          const client = ctx.serviceClient<typeof flights>(provider as typeof flights);
          const reservation = await client.reserve(trip);
          reservations.push(reservation.number);
          undo.push(() => client.cancel(reservation));
        }
        await approve(ctx, trip);
        await ctx.run('charge', () => callProvider(ctx, 'charge', 'payments', { traveller: trip.traveller }));
      } catch (error) {
        // Anything else is a fault that a retry may mend; only a terminal error is for good.
        if (!(error instanceof TerminalError)) throw error;
        for (const cancel of undo.reverse()) await cancel();
        return { status: 'cancelled', reason: error.message };
      }
      ctx.serviceSendClient(reminders).send(trip.traveller, rpc.sendOpts({ delay: REMINDER_DELAY }));
      return { status: 'booked', reservations };
    },
  },
});

/** Suspends: no Lambda function runs while a person thinks about it. */
async function approve(ctx: Context, { traveller, approvalMs }: Trip): Promise<void> {
  const approval = ctx.awakeable<boolean>();
  await ctx.run('ask', () => callProvider(ctx, 'ask', 'approvals', { traveller, awakeable: approval.id }));
  try {
    await approval.promise.orTimeout(approvalMs);
  } catch (error) {
    if (error instanceof TimeoutError) throw new TerminalError('nobody approved in time');
    throw error;
  }
}

export const handler = createEndpointHandler({ services: [trips, flights, hotels, cars, reminders] });
