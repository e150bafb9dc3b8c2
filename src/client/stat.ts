// Stat: what the manifest says, whether its certificates hold, and, when asked, what is alive now.

import { equal, toHex } from '../base/bytes.ts';
import type { EpochRecord, Member } from '../base/epoch.ts';
import { findMember } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, NodeId } from '../base/ids.ts';
import { manifestCopies } from '../replication/code.ts';
import { verifyCertificate } from '../replication/confirmation.ts';
import { type SegmentRecord, segmentLength } from '../replication/manifest.ts';
import { segmentShape } from '../replication/segment.ts';
import { fetchRecord, locatePieces } from './calls.ts';
import type { Context } from './context.ts';
import { createHealth } from './health.ts';
import { type ObjectReader, openObject } from './object-reader.ts';
import { recordOrder } from './records.ts';
import { forEachAtMost, throwIfAborted } from './tasks.ts';
import type { CallEvents, ObjectStat } from './types.ts';
import type { ObjectUri } from './uri.ts';

/** Questions about pieces under way at a time. */
const ASKED_AT_ONCE = 16;

/** Throws what `Store.stat` throws. */
export async function statObject(
  context: Context,
  epoch: EpochRecord,
  uri: ObjectUri,
  options: CallEvents & { readonly check?: boolean },
  signal: AbortSignal,
): Promise<ObjectStat> {
  const health = createHealth(context.clock, context.timing);
  const reader = await openObject(context, epoch, uri, health, signal, (event) => options.onNotice?.(event));
  const { manifest, segmentCount } = reader;
  const missing = new Set<string>();
  let isCertified = true;
  let sharesOperator = false;
  let fewestPieces: number | undefined;
  for (let index = 0; index < segmentCount; index++) {
    throwIfAborted(signal);
    const record = await reader.segment(index, signal);
    isCertified &&= hasCertificate(context, reader, index, record);
    sharesOperator ||= hasSharedOperator(epoch, record);
    if (options.check !== true) continue;
    const alive = await countPieces(context, epoch, reader, index, record, missing, signal);
    fewestPieces = Math.min(fewestPieces ?? alive, alive);
  }
  throwIfAborted(signal);
  return {
    cid: uri.cid,
    sizeBytes: manifest.lengthBytes,
    code: manifest.code,
    segments: segmentCount,
    isPublic: manifest.keyCheck === undefined,
    isTrial: epoch.params.isTrial || sharesOperator,
    isCertified,
    fewestPieces,
    manifestCopies:
      options.check === true ? await countCopies(context, epoch, reader, uri.digest, signal) : undefined,
    missingHolders: [...missing].sort(),
  };
}

function hasCertificate(
  context: Context,
  reader: ObjectReader,
  index: number,
  record: SegmentRecord,
): boolean {
  const { manifest, object } = reader;
  const { pieceLength } = segmentShape({
    ...manifest.code,
    plaintextLength: segmentLength(manifest, index),
    isEncrypted: manifest.keyCheck !== undefined,
  });
  const certificate = { network: manifest.network, object, segmentIndex: index, pieceLength, ...record };
  return new Set(record.holders.map(toHex)).size === record.holders.length
    ? verifyCertificate(certificate, manifest.code, context.verify)
    : false;
}

function hasSharedOperator(epoch: EpochRecord, { holders }: SegmentRecord): boolean {
  const operators = holders
    .map((node) => findMember(epoch, node)?.operator)
    .filter((name) => name !== undefined);
  return new Set(operators).size < operators.length;
}

/** Distinct right pieces that holders have now; the others are asked when a holder does not have its own. */
async function countPieces(
  context: Context,
  epoch: EpochRecord,
  { object }: ObjectReader,
  segmentIndex: number,
  record: SegmentRecord,
  missing: Set<string>,
  signal: AbortSignal,
): Promise<number> {
  const alive = new Set<number>();
  const ask = async (node: NodeId): Promise<ReadonlySet<number>> => {
    try {
      const pieces = await locatePieces(context, node, { object, segmentIndex }, record.roots, signal);
      for (const piece of pieces) alive.add(piece);
      return pieces;
    } catch (error) {
      throwIfAborted(signal);
      // Not answering is an answer here; anything but a StoreError is a defect of ours.
      if (!(error instanceof StoreError)) throw error;
      return new Set();
    }
  };
  await forEachAtMost(record.holders.entries(), ASKED_AT_ONCE, async ([piece, node]) => {
    if (!(await ask(node)).has(piece)) missing.add(toHex(node));
  });
  if (alive.size < record.roots.length) {
    const isHolder = (member: Member): boolean => record.holders.some((node) => equal(node, member.node));
    const others = epoch.members.filter((member) => !isHolder(member));
    await forEachAtMost(others, ASKED_AT_ONCE, async ({ node }) => {
      if (alive.size < record.roots.length) await ask(node);
    });
  }
  return alive.size;
}

/** Right copies of the manifest among the members where they should be, and as many after them. */
async function countCopies(
  context: Context,
  epoch: EpochRecord,
  { manifest }: ObjectReader,
  digest: Digest,
  signal: AbortSignal,
): Promise<number> {
  let copies = 0;
  const likely = recordOrder(epoch, digest).slice(0, 2 * manifestCopies(manifest.code));
  await forEachAtMost(likely, ASKED_AT_ONCE, async ({ node }) => {
    const bytes = await fetchRecord(context, node, digest, signal).catch(() => undefined);
    if (bytes !== undefined && equal(context.sha256(bytes), digest)) copies++;
  });
  throwIfAborted(signal);
  return copies;
}
