// The shape that all operations on stake, nodes and parameters share: the sender's home takes the value from its account and tells the
// system's home, in whichever shard that is, who wants what; the rest is decided there. A refusal there sends the value back.

import { z, type ZodType } from 'zod';
import { digestOf } from '../base/codec.ts';
import type { Digest, OwnerId } from '../base/ids.ts';
import { accountKey, debit } from './account.ts';
import { type Amounts, NOTHING } from './amounts.ts';
import type {
  BlockContext,
  CommitContext,
  Delivery,
  ExecuteContext,
  Operation,
  RefusalCode,
} from './operation.ts';
import { homeOf, type StateKey } from './state-key.ts';
import { SYSTEM } from './system-key.ts';

/** What of such an operation is its own. */
export interface SystemKind<Action> {
  readonly kind: string;
  /** Of the operation and of its message alike. */
  readonly tag: number;
  readonly schema: ZodType<Action>;
  tuple(action: Action): readonly unknown[];
  /** Tokens that go along. */
  value?(action: Action): Amounts;
  /** What can be refused without the system's records: at the sender's home, before anything travels. */
  check?(context: CommitContext, action: Action): RefusalCode | undefined;
  touches(from: OwnerId, action: Action, block: BlockContext): readonly StateKey[];
  execute(context: ExecuteContext, order: Order<Action>): RefusalCode | undefined;
}

/** Who wants what. Only `commit` makes these, so `from` is whoever signed. */
export interface Order<Action> {
  readonly from: OwnerId;
  /** Digest of the transaction. */
  readonly id: Digest;
  readonly action: Action;
}

export interface SystemOperation<Action> {
  readonly operation: Operation<Action>;
  readonly delivery: Delivery<Order<Action>>;
}

export function systemOperation<Action>(own: SystemKind<Action>): SystemOperation<Action> {
  const { kind, tag } = own;
  const valueOf = (action: Action): Amounts => own.value?.(action) ?? NOTHING;
  const operation: Operation<Action> = {
    kind,
    tag,
    schema: own.schema,
    tuple: (action) => own.tuple(action),
    touches: (sender, action, block) => [accountKey(sender), ...own.touches(sender, action, block)],
    recipients: () => [SYSTEM],
    commit: (context, action) => {
      const refusal = own.check?.(context, action);
      if (refusal !== undefined) return refusal;
      const { sender, transactionId } = context;
      const value = valueOf(action);
      if (!debit(context.state, sender, value)) return 'insufficient-balance';
      const payload: Order<Action> = { from: sender, id: transactionId as Digest, action };
      context.send({ to: SYSTEM, kind, payload, value, refundTo: sender });
      return undefined;
    },
  };
  const delivery: Delivery<Order<Action>> = {
    kind,
    tag,
    schema: z
      .tuple([digestOf<OwnerId>(), digestOf<Digest>(), own.schema])
      .transform(([from, id, action]): Order<Action> => ({ from, id, action })),
    tuple: ({ from, id, action }) => [from, id, own.tuple(action)],
    touches: (_message, { from, action }, block) => own.touches(from, action, block),
    execute: (context, order) => own.execute(context, order),
  };
  return { operation, delivery };
}

/** Sends `amounts` out of the system's records to an account. */
export function pay(context: Pick<ExecuteContext, 'send'>, to: OwnerId, amounts: Amounts): void {
  if (amounts.length === 0) return;
  context.send({ to: homeOf('account', to), kind: 'credit', payload: {}, value: amounts, refundTo: to });
}
