// Makes a copy of an object's manifest be here, and the pages that it names: as records of the object, so that they go when it goes. The chain names the
// manifest, the manifest its pages; pages are kept by whoever ranks highest for their digests, and who holds the manifest
// sees to it that there are some.

import { equal, short, toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { Digest, NodeId } from '../../base/ids.ts';
import { MANIFEST_LENGTH_MAX, RESTORE_RECORD_ASKED_MAX } from '../../base/limits.ts';
import { fetchRecord } from '../../client/calls.ts';
import { recordOrder } from '../../client/records.ts';
import { decodeManifest } from '../../replication/manifest.ts';
import { objectRecordKey, recordKey } from '../entry-keys.ts';
import { objectOfRecord } from '../record-head.ts';
import { isHere } from '../stored.ts';
import type { HeldSegment } from './held-segment.ts';
import type { RestoredBy } from './restore-piece.ts';
import { RESTORE_TIMING, type RestorePorts } from './restore-ports.ts';

/** How the manifest came, or that only pages came; durable when it resolves. Throws NOT_FOUND, and what the log throws. */
export async function restoreCopy(
  ports: RestorePorts,
  held: HeldSegment,
  signal: AbortSignal,
): Promise<RestoredBy> {
  const digest = held.record.manifest.digest;
  const came = (await isHere(ports, recordKey(digest), held.lengthBytes))
    ? 'here'
    : await restoreRecord(ports, held, digest, signal);
  if (held.record.shape.isInline) return came;
  return (await restorePages(ports, held, digest, signal)) ? 'copy' : came;
}

/** True when one was not here. One page at a time is in memory. */
async function restorePages(
  ports: RestorePorts,
  held: HeldSegment,
  digest: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  const manifest = decodeManifest(await ports.log.read(recordKey(digest), 0, held.lengthBytes));
  const { content } = manifest;
  if (content.kind === 'inline') return false;
  let isAny = false;
  for (const page of content.pages) {
    signal.throwIfAborted();
    const stat = await ports.log.stat(recordKey(page));
    if (stat !== undefined && (await isHere(ports, recordKey(page), stat.payloadLength))) continue;
    await restoreRecord(ports, held, page, signal);
    isAny = true;
  }
  return isAny;
}

async function restoreRecord(
  ports: RestorePorts,
  held: HeldSegment,
  digest: Digest,
  signal: AbortSignal,
): Promise<'copy'> {
  for (const node of order(ports, held, digest)) {
    const record = await askFor(ports, held, digest, node, signal);
    if (record === undefined) continue;
    // The pointer first: a record without it could never be removed.
    const empty = new Uint8Array(0);
    await ports.log.put({ key: objectRecordKey(held.object, digest), meta: empty, payload: empty });
    await ports.log.put({ key: recordKey(digest), meta: held.object, payload: record });
    return 'copy';
  }
  throw new StoreError('NOT_FOUND', `nobody gives record ${short(digest)} of object ${short(held.object)}`);
}

/** Who holds the manifest has what belongs to it; then whoever ranks highest for the digest. */
function order({ signer, epoch }: RestorePorts, { holders }: HeldSegment, digest: Digest): readonly NodeId[] {
  const named = new Set(holders.map(toHex));
  const others = recordOrder(epoch(), digest).map(({ node }) => node);
  return [...holders, ...others.filter((node) => !named.has(toHex(node)))]
    .filter((node) => !equal(node, signer.publicKey))
    .slice(0, RESTORE_RECORD_ASKED_MAX);
}

async function askFor(
  ports: RestorePorts,
  { object }: HeldSegment,
  digest: Digest,
  node: NodeId,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  try {
    const record = await fetchRecord({ ...ports, timing: RESTORE_TIMING }, node, digest, signal);
    const isRight = record.length <= MANIFEST_LENGTH_MAX && equal(ports.sha256(record), digest);
    return isRight && equal(objectOfRecord(record, ports.networkId), object) ? record : undefined;
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = toStoreError(error, 'INTERNAL', 'record');
    ports.logger.debug(
      { peer: short(node), code, reason: message },
      'a record that repair needs is not to be had there',
    );
    return undefined;
  }
}
