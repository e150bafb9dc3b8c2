// Transfer: tokens of one or more assets from the sender to another account, which comes into being if it was not there.

import { z } from 'zod';
import { digestOf } from '../../base/codec.ts';
import type { OwnerId } from '../../base/ids.ts';
import { accountHome, accountKey, credit, debit } from '../account.ts';
import { type Amounts, amountsSchema } from '../amounts.ts';
import type { Delivery, Operation } from '../operation.ts';

export interface Transfer {
  readonly to: OwnerId;
  /** Of at least one asset. */
  readonly amounts: Amounts;
}

export const transfer: Operation<Transfer> = {
  kind: 'transfer',
  tag: 0,
  schema: z
    .tuple([digestOf<OwnerId>(), amountsSchema.refine((amounts) => amounts.length > 0, 'no amount')])
    .transform(([to, amounts]): Transfer => ({ to, amounts })),
  tuple: ({ to, amounts }) => [to, amounts],
  touches: (sender, { to }) => [accountKey(sender), accountKey(to)],
  recipients: (_sender, { to }) => [accountHome(to)],
  commit: ({ state, sender, send }, { to, amounts }) => {
    if (!debit(state, sender, amounts)) return 'insufficient-balance';
    send({ to: accountHome(to), kind: 'credit', payload: {}, value: amounts, refundTo: sender });
    return undefined;
  },
};

/** Whatever it carries belongs to the account from now on. */
export const creditDelivery: Delivery<object> = {
  kind: 'credit',
  tag: 1,
  schema: z.tuple([]).transform(() => ({})),
  tuple: () => [],
  touches: ({ to }) => [accountKey(to.id as OwnerId)],
  execute: ({ state, message }) => {
    if (message.to.kind !== 'account') return 'invalid-argument';
    credit(state, message.to.id as OwnerId, message.value);
    return undefined;
  },
};
