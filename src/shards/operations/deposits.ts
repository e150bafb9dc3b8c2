// Tokens that owners pay for objects, on their way between the object's home, which says for what, and the system's home, where they are kept.
// Neither message is refused: the object's record has changed by then.

import { z } from 'zod';
import type { OwnerId } from '../../base/ids.ts';
import { digestOf } from '../../base/codec.ts';
import { amountOf, NATIVE } from '../amounts.ts';
import { type Deposit, depositSchema, depositsSchema, depositTuple, valueOf } from '../deposits.ts';
import { addDeposit, escrowChangeKey, escrowKey, takeUnspent } from '../escrow.ts';
import { emptyMessage } from '../home-operation.ts';
import type { Delivery, Message } from '../operation.ts';
import { SYSTEM } from '../system-key.ts';
import { pay } from '../system-operation.ts';

/** An object has been paid for. */
export const depositDelivery: Delivery<Deposit> = {
  kind: 'deposit',
  tag: 59,
  isReturn: true,
  schema: depositSchema,
  tuple: depositTuple,
  touches: (_message, { from, until }) => [escrowKey(), escrowChangeKey(from), escrowChangeKey(until)],
  execute: ({ state, block }, deposit) => {
    addDeposit(state, block.epoch, deposit);
    return undefined;
  },
};

export function depositMessage(deposit: Deposit, refundTo: OwnerId): Message {
  const value = amountOf(NATIVE, valueOf(deposit));
  return { to: SYSTEM, kind: 'deposit', payload: deposit, value, refundTo };
}

export interface RefundDeposits {
  readonly owner: OwnerId;
  readonly deposits: readonly Deposit[];
}

/** It has been deleted: what was paid for epochs to come goes back to its owner. */
export const refundDepositsDelivery: Delivery<RefundDeposits> = {
  kind: 'refund-deposits',
  tag: 60,
  isReturn: true,
  schema: z
    .tuple([digestOf<OwnerId>(), depositsSchema])
    .transform(([owner, deposits]): RefundDeposits => ({ owner, deposits })),
  tuple: ({ owner, deposits }) => [owner, deposits.map(depositTuple)],
  touches: (_message, { deposits }, { epoch }) => [
    escrowKey(),
    escrowChangeKey(epoch + 1),
    ...deposits.flatMap(({ from, until }) => [escrowChangeKey(from), escrowChangeKey(until)]),
  ],
  execute: (context, { owner, deposits }) => {
    const { state, block } = context;
    pay(context, owner, amountOf(NATIVE, takeUnspent(state, block.epoch, deposits)));
    return undefined;
  },
};

export function refundDepositsMessage(owner: OwnerId, deposits: readonly Deposit[]): Message {
  const payload: RefundDeposits = { owner, deposits };
  return emptyMessage(SYSTEM, 'refund-deposits', payload, owner);
}
