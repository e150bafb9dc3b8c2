// What it costs to have an object kept. The price is for what holders keep, so a code with more pieces costs more; it is paid beforehand, for whole
// epochs, from which whoever is about to put an object knows what it will cost.
//
// cost = epochs * ceil(price of a GiB and epoch * KiB that holders keep / 2^20)          KiB: as audits weigh pieces and copies, each rounded up

import { manifestCopies } from '../replication/code.ts';
import { leafCount } from '../replication/piece-tree.ts';
import { type ObjectShape, pieceLengthOf, segmentCount } from './object-shape.ts';
import type { PriceRules } from './parameters.ts';

const KIB_PER_GIB = 2n ** 20n;

export interface Cost {
  /** Native tokens. */
  readonly perEpoch: bigint;
  readonly epochs: number;
  readonly total: bigint;
}

/** KiB that the holders of an object keep: of every segment all pieces, and as many copies of the manifest as the code wants. */
export function keptKib(shape: ObjectShape, manifestLengthBytes: number): number {
  const copies = manifestCopies(shape.code) * leafCount(manifestLengthBytes);
  const segments = segmentCount(shape);
  if (segments === 0) return copies;
  const full = leafCount(pieceLengthOf(shape, 0));
  const last = leafCount(pieceLengthOf(shape, segments - 1));
  return copies + shape.code.n * ((segments - 1) * full + last);
}

/** What an object costs from one time to a later one. Times are milliseconds since 1970. */
export function costOf(
  { perGib, epochMs }: PriceRules,
  shape: ObjectShape,
  manifestLengthBytes: number,
  fromMs: number,
  untilMs: number,
): Cost {
  const kept = BigInt(keptKib(shape, manifestLengthBytes));
  const perEpoch = (perGib * kept + KIB_PER_GIB - 1n) / KIB_PER_GIB;
  const epochs = Math.max(1, Math.ceil((untilMs - fromMs) / epochMs));
  return { perEpoch, epochs, total: perEpoch * BigInt(epochs) };
}

export function isFree({ perGib }: PriceRules): boolean {
  return perGib === 0n;
}
