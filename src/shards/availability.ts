// Whether enough members of the epoch have confirmed that they hold an object: its manifest, and for each segment the pieces. What is checked
// here is what `store put` waits for; so an object on the chain was durable when it got there.

import { toHex } from '../base/bytes.ts';
import type { Digest, NetworkId, NodeId, ObjectId, Signature } from '../base/ids.ts';
import type { Verify } from '../base/ports.ts';
import { type Code, putQuorum, recordQuorum } from '../replication/code.ts';
import { confirmedRecord, verifyCertificate, verifyConfirmation } from '../replication/confirmation.ts';
import type { SegmentRecord } from '../replication/manifest.ts';
import { type ObjectShape, pieceLengthOf } from './object-shape.ts';
import type { StorageMembers } from './storage-members.ts';

export interface ManifestCertificate {
  readonly digest: Digest;
  readonly lengthBytes: number;
  /** A signature of each holder, as many as are needed. */
  readonly confirmations: readonly (readonly [node: NodeId, signature: Signature])[];
}

/** What certificates are about. */
export interface Subject {
  readonly network: NetworkId;
  readonly object: ObjectId;
  readonly members: StorageMembers;
  readonly verify: Verify;
}

export function isManifestKept(subject: Subject, code: Code, manifest: ManifestCertificate): boolean {
  const { network, object, members, verify } = subject;
  const { digest, lengthBytes, confirmations } = manifest;
  // A network smaller than the copies that the code wants keeps one with every member.
  if (confirmations.length !== Math.min(recordQuorum(code), members.count)) return false;
  const nodes = new Set(confirmations.map(([node]) => toHex(node)));
  if (nodes.size !== confirmations.length) return false;
  const record = confirmedRecord(network, object, digest, lengthBytes);
  return confirmations.every(
    ([node, signature]) =>
      members.get(node) !== undefined && verifyConfirmation(record, node, signature, verify),
  );
}

/** The segments from number `first` on. Each has as many confirmations as its code needs: more would only cost everybody. */
export function areSegmentsHeld(
  subject: Subject,
  shape: ObjectShape,
  first: number,
  segments: readonly SegmentRecord[],
): boolean {
  return segments.every((segment, index) => isSegmentHeld(subject, shape, first + index, segment));
}

function isSegmentHeld(
  { network, object, members, verify }: Subject,
  shape: ObjectShape,
  segmentIndex: number,
  { roots, holders, confirmations }: SegmentRecord,
): boolean {
  const { code } = shape;
  if (roots.length !== code.n || confirmations.length !== putQuorum(code)) return false;
  if (!areIndependent(members, holders)) return false;
  const pieceLength = pieceLengthOf(shape, segmentIndex);
  const certificate = { network, object, segmentIndex, pieceLength, roots, holders, confirmations };
  return verifyCertificate(certificate, code, verify);
}

/** All members, each once, of different operators unless the network is a trial. */
export function areIndependent(members: StorageMembers, holders: readonly NodeId[]): boolean {
  const found = holders.map((holder) => members.get(holder));
  if (found.some((member) => member === undefined)) return false;
  const distinct = new Set(found.map((member) => (members.isTrial ? toHex(member!.node) : member!.operator)));
  return distinct.size === holders.length;
}
