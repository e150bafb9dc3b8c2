// The shape that operations on buckets, names and objects share: the sender's home only passes on who wants what, to the home of the thing
// itself, where all is decided. What can be refused without that home's records is refused before anything travels.

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
  Message,
  Operation,
  RefusalCode,
} from './operation.ts';
import type { Home, StateKey } from './state-key.ts';
import type { Order } from './system-operation.ts';

/** What of such an operation is its own. */
export interface HomeKind<Action> {
  readonly kind: string;
  /** Of the operation and of its message alike. */
  readonly tag: number;
  readonly schema: ZodType<Action>;
  tuple(action: Action): readonly unknown[];
  home(action: Action): Home;
  /** Tokens that go along. */
  value?(action: Action): Amounts;
  /** What the sender's home does, and what can be refused there. */
  check?(context: CommitContext, action: Action): RefusalCode | undefined;
  /** Records at the sender's home that `check` reads. */
  touchesAtSender?(sender: OwnerId): readonly StateKey[];
  touches(from: OwnerId, action: Action, block: BlockContext): readonly StateKey[];
  execute(context: ExecuteContext, order: Order<Action>): RefusalCode | undefined;
}

export interface HomeOperation<Action> {
  readonly operation: Operation<Action>;
  readonly delivery: Delivery<Order<Action>>;
}

export function homeOperation<Action>(own: HomeKind<Action>): HomeOperation<Action> {
  const { kind, tag, schema } = own;
  const valueOf = (action: Action): Amounts => own.value?.(action) ?? NOTHING;
  const operation: Operation<Action> = {
    kind,
    tag,
    schema,
    tuple: (action) => own.tuple(action),
    touches: (sender, action, block) => [
      ...(valueOf(action).length > 0 ? [accountKey(sender)] : []),
      ...(own.touchesAtSender?.(sender) ?? []),
      ...own.touches(sender, action, block),
    ],
    recipients: (_sender, action) => [own.home(action)],
    commit: (context, action) => {
      const refusal = own.check?.(context, action);
      if (refusal !== undefined) return refusal;
      const { sender, transactionId } = context;
      const value = valueOf(action);
      if (value.length > 0 && !debit(context.state, sender, value)) return 'insufficient-balance';
      const payload: Order<Action> = { from: sender, id: transactionId as Digest, action };
      context.send({ to: own.home(action), kind, payload, value, refundTo: sender });
      return undefined;
    },
  };
  const delivery: Delivery<Order<Action>> = {
    kind,
    tag,
    schema: orderSchema(schema),
    tuple: (order) => orderTuple(order, (action) => own.tuple(action)),
    touches: (_message, { from, action }, block) => own.touches(from, action, block),
    execute: (context, order) => own.execute(context, order),
  };
  return { operation, delivery };
}

export function orderSchema<Action>(schema: ZodType<Action>): ZodType<Order<Action>> {
  return z
    .tuple([digestOf<OwnerId>(), digestOf<Digest>(), schema])
    .transform(([from, id, action]): Order<Action> => ({ from, id, action }));
}

export function orderTuple<Action>(
  { from, id, action }: Order<Action>,
  tuple: (action: Action) => readonly unknown[],
): readonly unknown[] {
  return [from, id, tuple(action)];
}

/** A message without tokens. */
export function emptyMessage(to: Home, kind: string, payload: unknown, refundTo: OwnerId): Message {
  return { to, kind, payload, value: NOTHING, refundTo };
}
