import {
  CancelledError,
  createEndpointHandler,
  handlers,
  type ObjectContext,
  type ObjectSharedContext,
  object,
  TerminalError,
  TimeoutError,
  type WorkflowContext,
  type WorkflowSharedContext,
  workflow,
} from '@holdfast/sdk-lambda';

interface Budget {
  left: number;
}

/** A budget for each team. Its exclusive handlers run one at a time for a team: no two reservations see the same rest. */
export const budget = object({
  name: 'budget',
  handlers: {
    grant: async (ctx: ObjectContext<Budget>, amount: number): Promise<number> => {
      const left = ((await ctx.get('left')) ?? 0) + amount;
      ctx.set('left', left);
      return left;
    },
    reserve: async (ctx: ObjectContext<Budget>, amount: number): Promise<void> => {
      const left = (await ctx.get('left')) ?? 0;
      if (left < amount) throw new TerminalError(`${ctx.key} has ${left} left`, { errorCode: 402 });
      ctx.set('left', left - amount);
    },
    left: handlers.object.shared(
      async (ctx: ObjectSharedContext<Budget>): Promise<number> => (await ctx.get('left')) ?? 0,
    ),
  },
});

interface Expense {
  team: string;
  amount: number;
  /** How long an approver may take. */
  patienceMs?: number;
}
type Decision = 'approved' | 'declined';

/** One run for each expense: reserves the money, waits for a person, gives it back if nobody approves. */
export const expense = workflow({
  name: 'expense',
  handlers: {
    run: async (
      ctx: WorkflowContext,
      { team, amount, patienceMs }: Expense,
    ): Promise<Decision | 'expired' | 'cancelled'> => {
      const teamBudget = ctx.objectClient(budget, team);
      await teamBudget.reserve(amount);
      ctx.set('status', 'waits for approval');
      const decision = await ctx
        .promise<Decision>('decision')
        .get()
        .orTimeout(patienceMs ?? { days: 2 })
        .catch((error: unknown) => {
          if (error instanceof TimeoutError) return 'expired' as const;
          if (error instanceof CancelledError) return 'cancelled' as const;
          throw error;
        });
      if (decision !== 'approved') await teamBudget.grant(amount);
      ctx.set('status', decision);
      return decision;
    },
    /** Called by the approver, before or after the run has got to asking. The first answer counts. */
    decide: async (ctx: WorkflowSharedContext, decision: Decision): Promise<void> => {
      await ctx.promise<Decision>('decision').resolve(decision);
    },
    status: async (ctx: WorkflowSharedContext): Promise<string> => (await ctx.get<string>('status')) ?? 'new',
  },
});

export const handler = createEndpointHandler({ services: [budget, expense] });
