// That no token is lost or made on the way. Whoever issues or burns tokens says so in the supply record; everybody else moves them.
// So over any set of changes, what holdings gained is what the supply gained:
//
//     balances + tokens on the way + fees collected + other holdings = supply            for every asset, after every block
//
// A kind of record that holds tokens registers how they are counted.

import { decodeCanonical } from '../base/codec.ts';
import { STATE_RECORD_LENGTH_MAX } from '../base/limits.ts';
import { accountRecord } from './account.ts';
import { amountOf, type Amounts, differenceOf, NATIVE, NOTHING, plusAmounts } from './amounts.ts';
import { feesRecord } from './fees.ts';
import { valueOfReceipt } from './receipts.ts';
import type { RecordType } from './record.ts';
import type { RecordKind } from './state-key.ts';
import { supplyRecord } from './supply.ts';
import type { Change, Loaded } from './view.ts';

/** What a record of some kind holds. */
export type Holding = (record: Uint8Array) => Amounts;

/** Of the kinds of records that the execution of blocks itself knows. */
export const LEDGER_HOLDINGS: ReadonlyMap<RecordKind, Holding> = new Map<RecordKind, Holding>([
  ['account', (record) => decoded(accountRecord, record).balances],
  ['receipt', valueOfReceipt],
  ['fees', (record) => amountOf(NATIVE, decoded(feesRecord, record))],
]);

function decoded<T>(type: RecordType<T>, record: Uint8Array): T {
  return decodeCanonical(type.schema, record, STATE_RECORD_LENGTH_MAX, type.name);
}

/** Tokens held and tokens there are, or how both changed. Conserved: the two are equal. */
export interface Audit {
  readonly held: Amounts;
  readonly supply: Amounts;
}

/** How `changes` changed both; differences may be negative. */
export function auditChanges(
  changes: readonly Change[],
  holdings: ReadonlyMap<RecordKind, Holding> = LEDGER_HOLDINGS,
): Audit {
  let audit: Audit = { held: NOTHING, supply: NOTHING };
  for (const { key, before, after } of changes) {
    const was = auditRecord(key.kind, before, holdings);
    const is = auditRecord(key.kind, after, holdings);
    audit = {
      held: plusAmounts(audit.held, differenceOf(is.held, was.held)),
      supply: plusAmounts(audit.supply, differenceOf(is.supply, was.supply)),
    };
  }
  return audit;
}

/** Adds up the records of a whole state, given one after the other. */
export function auditRecord(
  kind: RecordKind,
  record: Loaded,
  holdings: ReadonlyMap<RecordKind, Holding> = LEDGER_HOLDINGS,
): Audit {
  if (record === null) return { held: NOTHING, supply: NOTHING };
  const holding = holdings.get(kind);
  const held = holding === undefined ? NOTHING : heldBy(holding, record);
  const supply = kind === 'supply' ? decoded(supplyRecord, record).total : NOTHING;
  return { held, supply };
}

/** What a change leaves is what the next one finds, often as the very same bytes: it is counted once. */
function heldBy(holding: Holding, record: Uint8Array): Amounts {
  const counted = known.get(record);
  if (counted?.holding === holding) return counted.held;
  const held = holding(record);
  known.set(record, { holding, held });
  return held;
}

const known: WeakMap<Uint8Array, { readonly holding: Holding; readonly held: Amounts }> = new WeakMap();

export function isConserved({ held, supply }: Audit): boolean {
  return differenceOf(held, supply).length === 0;
}
