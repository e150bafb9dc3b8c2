import { expect, test } from 'vitest';
import type { NetworkId, NodeId, ObjectId, PieceRoot, Signature } from '../../src/base/ids.ts';
import { portableVerify } from '../../src/base/keys.ts';
import {
  type SegmentCertificate,
  signConfirmation,
  verifyCertificate,
} from '../../src/replication/confirmation.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';

const code = { k: 3, n: 7 };
const nodes = Array.from({ length: 7 }, (_, index) => signerFrom(`holder ${index}`));

function certificate(confirming: readonly number[]): SegmentCertificate {
  const base = {
    network: digestFrom<NetworkId>('network'),
    object: digestFrom<ObjectId>('object'),
    segmentIndex: 1,
    pieceLength: 100,
    roots: nodes.map((_, index) => digestFrom<PieceRoot>(`root ${index}`)),
    holders: nodes.map((node) => node.publicKey as NodeId),
  };
  const confirmations = confirming.map((pieceIndex) => ({
    pieceIndex,
    signature: signConfirmation(
      { ...base, pieceIndex, root: base.roots[pieceIndex]!, lengthBytes: base.pieceLength },
      nodes[pieceIndex]!,
    ),
  }));
  return { ...base, confirmations };
}

const check = (value: SegmentCertificate): boolean => verifyCertificate(value, code, portableVerify);

test('a quorum of holders makes a certificate, one fewer does not', () => {
  expect(check(certificate([0, 1, 2, 3, 4]))).toBe(true);
  expect(check(certificate([2, 3, 4, 5, 6]))).toBe(true);
  expect(check(certificate([0, 1, 2, 3]))).toBe(false);
});

test('a confirmation counts once, for its own piece, by its own holder', () => {
  const good = certificate([0, 1, 2, 3, 4]);
  const [first, ...rest] = good.confirmations;
  const swapped = { pieceIndex: 5, signature: first!.signature };
  const forged = { pieceIndex: 0, signature: new Uint8Array(64) as Signature };
  expect(check({ ...good, confirmations: [...rest, rest[0]!] })).toBe(false);
  expect(check({ ...good, confirmations: [...rest, swapped] })).toBe(false);
  expect(check({ ...good, confirmations: [...rest, forged] })).toBe(false);
  expect(check({ ...good, confirmations: [...rest, { ...first!, pieceIndex: 9 }] })).toBe(false);
  expect(check({ ...good, segmentIndex: 2 })).toBe(false);
  expect(check({ ...good, pieceLength: 99 })).toBe(false);
});
