// Refunds: value that comes back because a message was refused or not executed in time. They cannot fail: every account can be
// credited, and a refund leads to nothing further.

import { z } from 'zod';
import { uint } from '../../base/codec.ts';
import { accountHome, accountKey, credit } from '../account.ts';
import { type Delivery, type Message, REFUSALS, type RefusalCode } from '../operation.ts';

export const REFUND = 'refund';

/** Why the value comes back. */
export interface Refund {
  readonly reason: RefusalCode;
}

export const refundDelivery: Delivery<Refund> = {
  kind: REFUND,
  tag: 0,
  schema: z
    .tuple([uint(REFUSALS.length - 1)])
    .transform(([reason]): Refund => ({ reason: REFUSALS[reason]! })),
  tuple: ({ reason }) => [REFUSALS.indexOf(reason)],
  isReturn: true,
  touches: ({ refundTo }) => [accountKey(refundTo)],
  execute: ({ state, message }) => {
    credit(state, message.refundTo, message.value);
    return undefined;
  },
};

/** The message that sends back what `message` carries; none when that is nothing. */
export function refundOf(message: Message, reason: RefusalCode): readonly Message[] {
  const { value, refundTo } = message;
  if (value.length === 0) return [];
  const payload: Refund = { reason };
  return [{ to: accountHome(refundTo), kind: REFUND, payload, value, refundTo }];
}
