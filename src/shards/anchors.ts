// What the chain keeps of a group's audit: enough to show of a certain piece that it failed, or to dispute what was found.

import { z } from 'zod';
import { concat, uint32 } from '../base/bytes.ts';
import { digestOf, listOf, uint } from '../base/codec.ts';
import type { Digest } from '../base/ids.ts';
import { VALIDATORS_MAX } from '../base/limits.ts';
import { RESULTS_MAX, type ResultTree } from '../proofs/results.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

/** The results' root and number (`proofs/results.ts`), and where they come from. */
export interface Anchor extends ResultTree {
  /** The block that it came with. */
  readonly height: number;
  /** Who signed it, by index in the round's validator set. */
  readonly auditors: readonly number[];
  /** Those of them who have paid for it: once, whatever else turns out false. Ascending. */
  readonly charged: readonly number[];
}

const auditorsSchema = listOf(uint(VALIDATORS_MAX - 1), VALIDATORS_MAX);

export const anchorRecord: RecordType<Anchor> = {
  name: 'anchor',
  schema: z.tuple([digestOf<Digest>(), uint(RESULTS_MAX), uint(), auditorsSchema, auditorsSchema]).transform(
    ([root, count, height, auditors, charged]): Anchor => ({
      root,
      count,
      height,
      auditors,
      charged,
    }),
  ),
  tuple: ({ root, count, height, auditors, charged }) => [root, count, height, auditors, charged],
};

export function anchorKey(round: number, group: number): StateKey {
  return systemKey('anchor', concat(uint32(round), uint32(group)));
}

export function anchorOf(state: Overlay, round: number, group: number): Anchor | undefined {
  return state.get(anchorKey(round, group), anchorRecord);
}

export function putAnchor(state: Overlay, round: number, group: number, anchor: Anchor): void {
  state.put(anchorKey(round, group), anchorRecord, anchor);
}
