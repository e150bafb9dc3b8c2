import { expect, test } from 'vitest';
import type { NetworkId, NodeId, ObjectId, OwnerId, PieceRoot } from '../../src/base/ids.ts';
import { portableVerify } from '../../src/base/keys.ts';
import { type PutClaim, signPut, signRemove, verifyPut, verifyRemove } from '../../src/replication/ticket.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';

const owner = signerFrom('owner');
const ownerId = owner.publicKey as OwnerId;
const claim: PutClaim = {
  network: digestFrom<NetworkId>('network'),
  node: digestFrom<NodeId>('node'),
  object: digestFrom<ObjectId>('object'),
  place: { segmentIndex: 3, pieceIndex: 4 },
  content: digestFrom<PieceRoot>('root'),
  lengthBytes: 5,
  expiresAtMs: 6,
};

test('a put ticket is good for exactly what was signed', () => {
  const ticket = signPut(claim, owner);
  expect(verifyPut(claim, ownerId, ticket, portableVerify)).toBe(true);
  const others: Partial<PutClaim>[] = [
    { network: digestFrom<NetworkId>('other') },
    { node: digestFrom<NodeId>('other') },
    { object: digestFrom<ObjectId>('other') },
    { place: { segmentIndex: 4, pieceIndex: 3 } },
    { place: undefined },
    { content: digestFrom<PieceRoot>('other') },
    { lengthBytes: 6 },
    { expiresAtMs: 7 },
  ];
  for (const other of others) {
    expect(verifyPut({ ...claim, ...other }, ownerId, ticket, portableVerify), JSON.stringify(other)).toBe(
      false,
    );
  }
  expect(verifyPut(claim, signerFrom('thief').publicKey as OwnerId, ticket, portableVerify)).toBe(false);
});

test('a remove ticket is good for one object of one network, and is no put ticket', () => {
  const ticket = signRemove(claim.network, claim.object, owner);
  expect(verifyRemove(claim.network, claim.object, ownerId, ticket, portableVerify)).toBe(true);
  expect(verifyRemove(claim.network, digestFrom<ObjectId>('other'), ownerId, ticket, portableVerify)).toBe(
    false,
  );
  expect(verifyRemove(digestFrom<NetworkId>('other'), claim.object, ownerId, ticket, portableVerify)).toBe(
    false,
  );
  expect(verifyPut(claim, ownerId, ticket, portableVerify)).toBe(false);
  expect(verifyRemove(claim.network, claim.object, ownerId, signPut(claim, owner), portableVerify)).toBe(
    false,
  );
});
