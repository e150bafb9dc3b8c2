// What was paid for an object and until when, as its own record says: native tokens for each epoch from one to the one before another. The
// tokens themselves are in escrow at the system's home (`escrow.ts`), which knows sums by epoch and no objects.

import { z } from 'zod';
import { bigUint, listOf, uint } from '../base/codec.ts';
import type { Epoch } from '../base/ids.ts';
import { DEPOSITS_MAX, EPOCH_MAX } from '../base/limits.ts';

export interface Deposit {
  readonly perEpoch: bigint;
  /** Whoever holds the object gets it for the epochs from this one... */
  readonly from: Epoch;
  /** ...to the one before this one. */
  readonly until: Epoch;
}

export const depositSchema: z.ZodType<Deposit> = z
  .tuple([bigUint, uint(EPOCH_MAX), uint(EPOCH_MAX)])
  .transform(([perEpoch, from, until]): Deposit => ({ perEpoch, from: from as Epoch, until: until as Epoch }))
  .refine(({ perEpoch, from, until }) => perEpoch > 0n && from < until, 'a deposit of nothing');

export const depositTuple = ({ perEpoch, from, until }: Deposit): readonly unknown[] => [
  perEpoch,
  from,
  until,
];

/** One after the other. */
export const depositsSchema: z.ZodType<readonly Deposit[]> = listOf(depositSchema, DEPOSITS_MAX).refine(
  (deposits) => deposits.every(({ from }, index) => index === 0 || from >= deposits[index - 1]!.until),
  'deposits for the same epoch',
);

export function valueOf({ perEpoch, from, until }: Deposit): bigint {
  return perEpoch * BigInt(until - from);
}

/** The deposit that pays for so many epochs more, from `now` on or from where the others end; undefined when that lies beyond all epochs. */
export function nextDeposit(
  deposits: readonly Deposit[],
  { perEpoch, epochs }: { readonly perEpoch: bigint; readonly epochs: number },
  now: Epoch,
): Deposit | undefined {
  const from = Math.max(now, deposits.at(-1)?.until ?? 0) as Epoch;
  const until = (from + epochs) as Epoch;
  return until <= EPOCH_MAX ? { perEpoch, from, until } : undefined;
}

/** With one more behind them, and without those that have run out; undefined when that is too many. */
export function withDeposit(
  deposits: readonly Deposit[],
  added: Deposit,
  now: Epoch,
): readonly Deposit[] | undefined {
  const live = deposits.filter(({ until }) => until > now);
  const last = live.at(-1);
  if (last !== undefined && last.until === added.from && last.perEpoch === added.perEpoch)
    return [...live.slice(0, -1), { ...last, until: added.until }];
  return live.length < DEPOSITS_MAX ? [...live, added] : undefined;
}

/** What of them is left after `now`: the epoch that runs has to be paid for. */
export function unspentOf(deposits: readonly Deposit[], now: Epoch): readonly Deposit[] {
  const next = (now + 1) as Epoch;
  return deposits
    .map((deposit) => (deposit.from < next ? { ...deposit, from: next } : deposit))
    .filter(({ from, until }) => from < until);
}
