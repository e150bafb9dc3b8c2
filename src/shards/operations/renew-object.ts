// An object is to be kept longer, or until it is deleted. Never shorter: holders and readers rely on what was said. The time that is added is paid for at
// the price of today; what was paid before stays as it was.

import { z } from 'zod';
import { bigUint, digestOf, uint } from '../../base/codec.ts';
import type { Epoch, ObjectId } from '../../base/ids.ts';
import { amountOf, NATIVE } from '../amounts.ts';
import { type Deposit, nextDeposit, withDeposit } from '../deposits.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { ownObject } from '../object-access.ts';
import { isExpired, objectKey, type ObjectRecord, putObject } from '../object-record.ts';
import type { RefusalCode } from '../operation.ts';
import { parametersKey, parametersOf, type PriceRules } from '../parameters.ts';
import { costOf, isFree } from '../prices.ts';
import { objectHome } from '../state-key.ts';
import { depositMessage } from './deposits.ts';

export interface RenewObject {
  readonly object: ObjectId;
  /** Milliseconds since 1970; null: until it is deleted. */
  readonly expiresAtMs: number | null;
  /** Native tokens: what the time that is added costs, by `prices.ts`. */
  readonly payment: bigint;
}

export const renewObject: HomeOperation<RenewObject> = homeOperation({
  kind: 'renew-object',
  tag: 48,
  schema: z
    .tuple([digestOf<ObjectId>(), uint().nullable(), bigUint])
    .transform(([object, expiresAtMs, payment]): RenewObject => ({ object, expiresAtMs, payment })),
  tuple: ({ object, expiresAtMs, payment }) => [object, expiresAtMs, payment],
  home: ({ object }) => objectHome(object),
  value: ({ payment }) => amountOf(NATIVE, payment),
  touches: (_from, { object }) => [objectKey(object), parametersKey()],
  execute: ({ state, block, message, send }, { from, action }) => {
    const object = ownObject(state, action.object, from);
    if (typeof object === 'string') return object;
    if (isExpired(object, block.timeMs)) return 'expired';
    const { expiresAtMs, payment } = action;
    if (lasting(expiresAtMs) <= lasting(object.expiresAtMs)) return 'invalid-argument';
    const deposit = depositFor(parametersOf(state).prices, object, expiresAtMs, payment, block.epoch);
    if (typeof deposit === 'string') return deposit;
    const deposits = deposit === null ? object.deposits : withDeposit(object.deposits, deposit, block.epoch);
    if (deposits === undefined) return 'limit-exceeded';
    putObject(state, action.object, { ...object, expiresAtMs, deposits });
    if (deposit !== null) send(depositMessage(deposit, message.refundTo));
    return undefined;
  },
});

const lasting = (expiresAtMs: number | null): number => expiresAtMs ?? Number.POSITIVE_INFINITY;

/** Null where storage is free. Prices may have changed since whoever pays has asked: then nothing is done. */
function depositFor(
  rules: PriceRules,
  { shape, manifest, expiresAtMs, deposits }: ObjectRecord,
  untilMs: number | null,
  payment: bigint,
  now: Epoch,
): Deposit | null | RefusalCode {
  if (isFree(rules)) return payment === 0n ? null : 'condition-failed';
  if (untilMs === null || expiresAtMs === null) return 'invalid-argument';
  const cost = costOf(rules, shape, manifest.lengthBytes, expiresAtMs, untilMs);
  if (cost.total !== payment) return 'condition-failed';
  return nextDeposit(deposits, cost, now) ?? 'invalid-argument';
}
